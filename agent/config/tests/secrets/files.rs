//! Whole files: values are sealed, opened and sealed again where they stand.

use std::sync::Arc;

use config::{
    Path, TextFile,
    secrets::{Keyring, Keys, SealedFileError, SecretError},
};

use crate::folder::Folder;

const FILE: &str = "\
# of the shop
db:
  host: db.shop # not secret
  password: hunter2
tls: {key: \"line 1\\nline 2\\n\"}
";

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn file(text: &str) -> TextFile {
    TextFile::parse("app.yaml", text.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_file_keeps_everything_but_its_secrets() {
    let folder = Folder::new();
    let provider = Arc::new(folder.key_file("kek", 1));
    let keys = Keys::with_ring(&folder.path("keys.json"), Keyring::default(), provider);
    keys.rotate().await.unwrap();
    let paths = [path("db.password"), path("tls.key")];
    let sealed = keys.seal_file("prod", &file(FILE), &paths).await.unwrap();
    assert!(
        sealed.starts_with(
            "# of the shop\ndb:\n  host: db.shop # not secret\n  password: \"ENC[v1,k1,"
        )
    );
    assert!(!sealed.contains("hunter2") && !sealed.contains("line 1"));

    // Sealed once, sealed for good; and no other value was counted.
    let again = keys
        .seal_file("prod", &file(&sealed), &paths)
        .await
        .unwrap();
    assert_eq!(*again, *sealed);
    assert_eq!(keys.ring().keys()[0].sealed, 2);

    let opened = keys.open_file("prod", &file(&sealed), &[]).await.unwrap();
    assert_eq!(*opened, FILE.replace("hunter2", "\"hunter2\""));

    // In another namespace, or at another place, nothing opens.
    let moved = keys.open_file("staging", &file(&sealed), &[]).await;
    let Err(SealedFileError::Value { path: at, source }) = moved else {
        panic!("opened elsewhere");
    };
    assert_eq!(at, path("db.password"));
    assert!(matches!(source, SecretError::Forged { .. }), "{source}");
    let renamed = sealed.replace("password:", "passwd:");
    assert!(keys.open_file("prod", &file(&renamed), &[]).await.is_err());
}

#[tokio::test]
async fn a_new_key_takes_over_the_values_of_a_file() {
    let folder = Folder::new();
    let provider = Arc::new(folder.key_file("kek", 1));
    let keys = Keys::with_ring(&folder.path("keys.json"), Keyring::default(), provider);
    keys.rotate().await.unwrap();
    let paths = [path("db.password"), path("tls.key")];
    let old = keys.seal_file("prod", &file(FILE), &paths).await.unwrap();
    let kid = keys.rotate().await.unwrap();
    let (new, count) = keys.reseal_file("prod", &file(&old)).await.unwrap();
    assert_eq!(count, 2);
    assert!(!new.contains("ENC[v1,k1,") && new.contains("ENC[v1,k2,"));
    keys.retire_before(&kid).await.unwrap();
    let opened = keys.open_file("prod", &file(&new), &[]).await.unwrap();
    assert!(opened.contains("hunter2"));
    assert!(keys.open_file("prod", &file(&old), &[]).await.is_err());
}
