//! Keyrings: rotation, retirement, key services out of reach.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc, time::Duration};

use config::{
    Decrypt, DocumentId, Masker,
    secrets::{KeyFile, Keyring, Keys, Provider, SecretError, Secrets},
};

use crate::{folder::Folder, key_service::KeyService};

fn keys(path: &Path, provider: impl Provider + 'static) -> Keys {
    Keys::with_ring(path, Keyring::default(), Arc::new(provider))
}

#[tokio::test]
async fn a_new_key_seals_and_the_old_ones_open() {
    let folder = Folder::new();
    let ring = folder.path("keys.json");
    let keys = keys(&ring, folder.key_file("kek", 1));
    assert!(matches!(
        keys.seal("prod", "a", "x").await,
        Err(SecretError::NoKey)
    ));
    let first = keys.rotate().await.unwrap();
    let old = keys.seal("prod", "db.password", "hunter2").await.unwrap();
    let second = keys.rotate().await.unwrap();
    let new = keys.seal("prod", "db.password", "hunter2").await.unwrap();
    assert_eq!((&old.kid, &new.kid), (&first, &second));

    // Another process reads the file.
    let other = Keys::load(&ring, Arc::new(KeyFile::new(folder.path("kek")))).unwrap();
    for sealed in [&old, &new] {
        let opened = other.open("prod", "db.password", sealed).await.unwrap();
        assert_eq!(**opened, *b"hunter2");
    }

    // A key that was added meanwhile is found without a restart.
    keys.rotate().await.unwrap();
    let newest = keys.seal("prod", "x", "y").await.unwrap();
    assert_eq!(**other.open("prod", "x", &newest).await.unwrap(), *b"y");

    keys.retire_before(&second).await.unwrap();
    other.reload().unwrap();
    for keys in [&keys, &other] {
        let refused = keys.open("prod", "db.password", &old).await;
        assert!(matches!(refused, Err(SecretError::Retired { .. })));
        assert!(keys.open("prod", "db.password", &new).await.is_ok());
    }
}

#[tokio::test]
async fn a_keyring_is_worth_nothing_without_its_provider() {
    let folder = Folder::new();
    let ring = folder.path("keys.json");
    let keys = keys(&ring, folder.key_file("kek", 1));
    keys.rotate().await.unwrap();
    let sealed = keys.seal("prod", "a", "hunter2").await.unwrap();

    let stranger = Keys::load(&ring, Arc::new(folder.key_file("other", 2))).unwrap();
    let refused = stranger.open("prod", "a", &sealed).await.unwrap_err();
    assert!(matches!(refused, SecretError::Provider(_)), "{refused}");
    assert!(!refused.is_transient());

    // Nor can the wrapped key of one name stand for another.
    let text = fs::read_to_string(&ring)
        .unwrap()
        .replace("\"k1\"", "\"k9\"");
    fs::write(&ring, text).unwrap();
    let renamed = Keys::load(&ring, Arc::new(KeyFile::new(folder.path("kek")))).unwrap();
    assert!(renamed.seal("prod", "a", "x").await.is_err());
}

#[tokio::test]
async fn a_damaged_keyring_says_so_and_takes_nothing_away() {
    let folder = Folder::new();
    let ring = folder.path("keys.json");
    let keys = keys(&ring, folder.key_file("kek", 1));
    keys.rotate().await.unwrap();
    let sealed = keys.seal("prod", "a", "x").await.unwrap();
    let whole = fs::read_to_string(&ring).unwrap();
    for damaged in [
        "",
        "{",
        &whole.replace("\"format\": 1", "\"format\": 2"),
        &whole.replace("\"keys\"", "\"min_kid\": \"k7\", \"keys\""),
        &whole.replace("created", "creator"),
    ] {
        fs::write(&ring, damaged).unwrap();
        assert!(matches!(keys.reload(), Err(SecretError::Keyring { .. })));
        assert!(keys.open("prod", "a", &sealed).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_file_that_others_could_read_is_refused() {
    let folder = Folder::new();
    let file = folder.key_file("kek", 1);
    let keys = keys(&folder.path("keys.json"), file);
    keys.rotate().await.unwrap();
    let open = fs::Permissions::from_mode(0o440);
    fs::set_permissions(folder.path("kek"), open).unwrap();
    let refused = keys.rotate().await.unwrap_err().to_string();
    assert!(refused.contains("its mode is 0440"), "{refused}");
    assert_eq!(
        Keyring::load(&folder.path("keys.json"))
            .unwrap()
            .keys()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_data_key_is_unwrapped_once_and_kept_for_its_time() {
    let folder = Folder::new();
    let ring = folder.path("keys.json");
    let first = keys(&ring, folder.key_file("kek", 1));
    first.rotate().await.unwrap();
    let sealed = first.seal("prod", "a", "x").await.unwrap();

    let service = KeyService::new(KeyFile::new(folder.path("kek")));
    let keys = Keys::load(&ring, Arc::new(service.clone())).unwrap();
    let (one, two) = tokio::join!(
        keys.open("prod", "a", &sealed),
        keys.open("prod", "a", &sealed)
    );
    assert_eq!(*one.unwrap(), *two.unwrap());
    assert_eq!(service.unwraps(), 1);

    let hasty = Keys::load(&ring, Arc::new(service.clone())).unwrap();
    let hasty = hasty.kept_for(Duration::ZERO);
    for expected in 2..4 {
        hasty.open("prod", "a", &sealed).await.unwrap();
        assert_eq!(service.unwraps(), expected);
    }
}

#[tokio::test]
async fn without_the_key_service_new_values_are_refused_and_running_ones_stay() {
    let folder = Folder::new();
    let ring = folder.path("keys.json");
    let service = KeyService::new(folder.key_file("kek", 1));
    let keys = Arc::new(keys(&ring, service.clone()).kept_for(Duration::ZERO));
    keys.rotate().await.unwrap();
    let running = keys.seal("prod", "a", "hunter2").await.unwrap().to_string();
    let new = keys.seal("prod", "b", "other").await.unwrap().to_string();
    let masker = Arc::new(Masker::new());
    let secrets = Secrets::new(Arc::clone(&keys), Arc::clone(&masker));
    let generation = secrets.open_text("prod", "a", &running).await.unwrap();

    service.set_down(true);
    let document = DocumentId::new("prod", "app").unwrap();
    let a = "a".parse().unwrap();
    let b = "b".parse().unwrap();
    assert_eq!(
        secrets.open(&document, &a, &running).await.unwrap(),
        generation
    );
    let refused = secrets.open(&document, &b, &new).await.unwrap_err();
    assert!(refused.is_transient, "{refused}");
    assert!(refused.reason.contains("cannot be reached"), "{refused}");
    // A running value is not a way around its place.
    assert!(secrets.open(&document, &b, &running).await.is_err());

    // Once no generation has the value it is gone.
    drop(generation);
    assert!(secrets.open(&document, &a, &running).await.is_err());

    service.set_down(false);
    let opened = secrets.open(&document, &b, &new).await.unwrap();
    assert_eq!(opened.expose(), "other");
    assert_eq!(masker.mask("a=hunter2 b=other"), "a=*** b=***");
}

#[tokio::test]
async fn keys_are_wrapped_again_without_a_change_of_values() {
    let folder = Folder::new();
    let ring = folder.path("keys.json");
    let keys = keys(&ring, folder.key_file("kek", 1));
    keys.rotate().await.unwrap();
    let sealed = keys.seal("prod", "a", "x").await.unwrap();
    let before = Keyring::load(&ring).unwrap();
    assert_eq!(keys.rewrap().await.unwrap(), 1);
    let after = Keyring::load(&ring).unwrap();
    assert_ne!(before, after);
    let other = Keys::load(&ring, Arc::new(KeyFile::new(folder.path("kek")))).unwrap();
    assert_eq!(**other.open("prod", "a", &sealed).await.unwrap(), *b"x");
}

#[tokio::test]
async fn a_key_seals_no_more_than_a_million_values() {
    let folder = Folder::new();
    let ring = folder.path("keys.json");
    let keys = keys(&ring, folder.key_file("kek", 1));
    let first = keys.rotate().await.unwrap();
    keys.seal("prod", "a", "x").await.unwrap();
    let counted = || Keyring::load(&ring).unwrap().keys()[0].sealed;
    assert_eq!(counted(), 1);

    // As if it had sealed all but two.
    let almost = (1_u64 << 20) - 2;
    let text = fs::read_to_string(&ring).unwrap();
    let text = text.replace("\"sealed\": 1", &format!("\"sealed\": {almost}"));
    fs::write(&ring, text).unwrap();
    let three = [("a", "x"), ("b", "y"), ("c", "z")];
    let refused = keys.seal_all("prod", &three).await.unwrap_err();
    assert!(
        matches!(refused, SecretError::Exhausted { .. }),
        "{refused}"
    );
    assert_eq!(counted(), almost);
    let last = keys.seal_all("prod", &three[..2]).await.unwrap();
    assert!(keys.seal("prod", "d", "x").await.is_err());

    let second = keys.rotate().await.unwrap();
    let next = keys.seal("prod", "d", "x").await.unwrap();
    assert_eq!((&last[0].kid, &next.kid), (&first, &second));
    assert_eq!(**keys.open("prod", "a", &last[0]).await.unwrap(), *b"x");
}

/// Two processes with one keyring: none undoes what the other counted or added.
#[tokio::test]
async fn who_shares_a_keyring_loses_nothing() {
    let folder = Folder::new();
    let ring = folder.path("keys.json");
    let one = keys(&ring, folder.key_file("kek", 1));
    one.rotate().await.unwrap();
    let two = Keys::load(&ring, Arc::new(KeyFile::new(folder.path("kek")))).unwrap();
    let seal = async |keys: &Keys| {
        for _ in 0..20 {
            keys.seal("prod", "a", "x").await.unwrap();
        }
    };
    tokio::join!(seal(&one), seal(&two));
    let second = two.rotate().await.unwrap();
    one.seal("prod", "a", "x").await.unwrap();
    let kept = Keyring::load(&ring).unwrap();
    let counts: Vec<_> = kept.keys().iter().map(|key| key.sealed).collect();
    assert_eq!((counts, &kept.keys()[1].kid), (vec![40, 1], &second));
}
