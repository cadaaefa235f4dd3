//! Damaged files: moved aside, told, and followed by a store that works.

use std::fs;

use state::{
    EngineError, OpenError, Opened, Options, Revision, Store, Tx,
    kv::{self, KvError},
};

use crate::folder::Folder;

const KEYS: usize = 200;

/// A folder whose store has some keys, with or without a snapshot of a part of them.
async fn filled(with_snapshot: bool) -> (Folder, Revision) {
    let folder = Folder::new();
    let store = folder.open();
    for number in 0..KEYS {
        if with_snapshot && number == KEYS / 2 {
            store.keep_snapshot().unwrap();
        }
        let change = move |tx: &mut Tx<'_>| {
            kv::put(tx, "default", &format!("key-{number:03}"), &[7; 300], 0)
        };
        store.write::<_, KvError>(change).await.unwrap();
    }
    let revision = store.revision();
    (folder, revision)
}

fn count(store: &Store) -> usize {
    let reader = store.read().unwrap();
    let entries = kv::list(&reader, "default", "").unwrap();
    assert!(entries.iter().all(|entry| entry.value == [7; 300]));
    entries.len()
}

fn open(folder: &Folder) -> Opened {
    Store::open(&folder.file(), &Options::default()).unwrap()
}

/// Opens a file that was made of a good one. Either nothing is missing, or it is told.
async fn check_damaged(
    folder: &Folder,
    damaged: &[u8],
    what: &str,
    restored: usize,
    old: Revision,
) {
    fs::write(folder.file(), damaged).unwrap();
    let opened = open(folder);
    let Some(recovery) = opened.recovery else {
        assert_eq!(count(&opened.store), KEYS, "{what}");
        assert!(opened.store.revision() >= old, "{what}");
        return;
    };
    let aside = recovery.moved_to.unwrap();
    assert!(
        matches!(recovery.reason, Some(EngineError::Corrupt { .. })),
        "{what}"
    );
    assert_eq!(fs::read(&aside).unwrap().len(), damaged.len(), "{what}");
    assert_eq!(count(&opened.store), restored, "{what}");
    assert_eq!(recovery.restored.is_some(), restored > 0, "{what}");
    assert!(opened.store.revision() > old, "{what}");
    // It works, and is a good file from now on.
    let change = |tx: &mut Tx<'_>| kv::put(tx, "default", "new", &[7; 300], 0);
    opened.store.write::<_, KvError>(change).await.unwrap();
    drop(opened.store);
    assert_eq!(count(&folder.open()), restored + 1, "{what}");
    fs::remove_file(aside).unwrap();
}

#[tokio::test]
async fn a_cut_file_is_moved_aside() {
    let (folder, revision) = filled(false).await;
    let good = fs::read(folder.file()).unwrap();
    for cut in [
        0,
        1,
        100,
        4096,
        good.len() / 2,
        good.len() - 4096,
        good.len() - 1,
    ] {
        check_damaged(&folder, &good[..cut], &format!("cut at {cut}"), 0, revision).await;
    }
}

#[tokio::test]
async fn a_damaged_page_is_found_and_the_newest_snapshot_restored() {
    let (folder, revision) = filled(true).await;
    let good = fs::read(folder.file()).unwrap();
    let mut found = 0;
    for page in 0..good.len() / 4096 {
        let mut bad = good.clone();
        for byte in &mut bad[page * 4096..][100..200] {
            *byte ^= 0xff;
        }
        if bad == good {
            continue;
        }
        check_damaged(&folder, &bad, &format!("page {page}"), KEYS / 2, revision).await;
        found += 1;
    }
    assert!(found > 10);
}

#[tokio::test]
async fn other_bytes_are_no_state_file() {
    let (folder, revision) = filled(false).await;
    check_damaged(&folder, &[b'x'; 10_000], "text", 0, revision).await;
    check_damaged(&folder, &[0; 10_000], "zeros", 0, revision).await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_restored_from_its_snapshot_or_missed() {
    let (folder, revision) = filled(true).await;
    fs::remove_file(folder.file()).unwrap();
    let opened = open(&folder);
    let recovery = opened.recovery.unwrap();
    assert!(recovery.reason.is_none());
    assert!(recovery.moved_to.is_none());
    assert!(recovery.restored.is_some());
    assert_eq!(count(&opened.store), KEYS / 2);
    assert!(opened.store.revision() > revision);
}

#[tokio::test]
async fn a_damaged_snapshot_is_passed_over() {
    let (folder, _) = filled(true).await;
    let store = folder.open();
    let newest = store.keep_snapshot().unwrap();
    drop(store);
    let mut bytes = fs::read(&newest).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&newest, bytes).unwrap();
    fs::write(folder.file(), b"not a database").unwrap();
    let opened = open(&folder);
    let recovery = opened.recovery.unwrap();
    assert_eq!(recovery.unusable.len(), 1);
    assert_eq!(recovery.unusable[0].0, newest);
    assert_eq!(count(&opened.store), KEYS / 2);
}

#[tokio::test]
async fn a_file_that_is_in_use_is_left_alone() {
    let (folder, _) = filled(false).await;
    let _store = folder.open();
    let second = Store::open(&folder.file(), &Options::default());
    assert!(matches!(
        second.err(),
        Some(OpenError::Engine(EngineError::InUse))
    ));
}
