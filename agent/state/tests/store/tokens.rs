//! Tokens: issued once, stored as hashes.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use state::{
    Tx,
    tokens::{self, NewToken, Right, Rights, TokenError},
};

use crate::folder::Folder;

#[tokio::test]
async fn a_token_is_good_until_it_expires_or_is_revoked() {
    let folder = Folder::new();
    let store = folder.open();
    let hour = Duration::from_secs(3600);
    let new = NewToken {
        description: "deploys".to_owned(),
        rights: Rights::none().grant("staging", Right::Write),
        lifetime: Some(hour),
    };
    let issue = |tx: &mut Tx<'_>| tokens::issue(tx, new);
    let issued = store.write::<_, TokenError>(issue).await.unwrap().value;
    let authenticate = |secret: &str, at: SystemTime| {
        tokens::authenticate(&store.read().unwrap(), secret, at).unwrap()
    };
    let now = SystemTime::now();
    assert_eq!(
        authenticate(&issued.secret, now),
        Some(issued.token.clone())
    );
    assert_eq!(authenticate(&issued.secret, now + hour + hour), None);
    assert_eq!(authenticate(&issued.token.accessor, now), None);
    assert_eq!(authenticate("", now), None);

    let file = fs::read(folder.file()).unwrap();
    let secret = issued.secret.as_bytes();
    assert!(!file.windows(secret.len()).any(|bytes| bytes == secret));
    assert!(!format!("{issued:?}").contains(&issued.secret));

    let accessor = issued.token.accessor.clone();
    let revoke = move |tx: &mut Tx<'_>| tokens::revoke(tx, &accessor);
    store.write(revoke.clone()).await.unwrap();
    assert_eq!(authenticate(&issued.secret, now), None);
    let again = store.write(revoke).await.unwrap_err();
    assert!(matches!(again, TokenError::Unknown(_)));
}
