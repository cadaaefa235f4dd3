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
        let bearer = store.authenticate(secret, at)?;
        Some((bearer.accessor.to_string(), (*bearer.rights).clone()))
    };
    let own = Some((issued.token.accessor.clone(), issued.token.rights.clone()));
    let now = SystemTime::now();
    assert_eq!(authenticate(&issued.secret, now), own);
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

#[tokio::test]
async fn tokens_are_known_after_a_restart_and_gone_with_a_restored_state() {
    let folder = Folder::new();
    let store = folder.open();
    let mut empty = Vec::new();
    store.snapshot(&mut empty).unwrap();
    let new = NewToken {
        description: String::new(),
        rights: Rights::all(),
        lifetime: None,
    };
    let issue = |tx: &mut Tx<'_>| tokens::issue(tx, new);
    let secret = store
        .write::<_, TokenError>(issue)
        .await
        .unwrap()
        .value
        .secret;
    drop(store);
    let store = folder.open();
    let now = SystemTime::now();
    assert!(store.authenticate(&secret, now).is_some());
    store.restore(std::io::Cursor::new(empty)).await.unwrap();
    assert_eq!(store.authenticate(&secret, now), None);
}
