//! Snapshots: whole, verified, and never a way back for an index.

use std::{
    io::Cursor,
    sync::Arc,
    time::{Duration, Instant},
};

use state::{
    Options, Revision, Rows, Store, Table, Topic, Tx, Wake, WriteError,
    kv::{self, KvError},
    snapshot::SnapshotError,
};

use crate::folder::Folder;

async fn put(store: &Store, key: &'static str) -> Revision {
    let change = move |tx: &mut Tx<'_>| kv::put(tx, "default", key, b"value", 0);
    store.write::<_, KvError>(change).await.unwrap().revision
}

fn names(store: &Store) -> Vec<String> {
    kv::folders(&store.read().unwrap(), "default", "", "").unwrap()
}

fn snapshot(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    let summary = store.snapshot(&mut bytes).unwrap();
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert_eq!(summary.revision, store.revision());
    bytes
}

#[tokio::test]
async fn a_restored_state_is_that_of_the_snapshot_with_a_newer_index() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    put(&store, "kept").await;
    let bytes = snapshot(&store);
    let late = put(&store, "later").await;

    let waiter = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let deadline = Instant::now() + Duration::from_secs(120);
            let topic = kv::topic("default", "kept");
            store.wait(&topic, late, deadline).await.unwrap()
        }
    });
    while store.statistics().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let restored = store.restore(Cursor::new(bytes)).await.unwrap();
    assert_eq!(restored, late.next());
    assert_eq!(waiter.await.unwrap(), Wake::Changed(restored));
    assert_eq!(names(&store), ["kept"]);
    let reader = store.read().unwrap();
    for key in ["kept", "later", "never"] {
        assert_eq!(kv::index(&reader, "default", key).unwrap(), restored);
    }
    drop(reader);
    assert_eq!(put(&store, "new").await, restored.next());

    drop(store);
    let store = folder.open();
    assert_eq!(names(&store), ["kept", "new"]);
    assert_eq!(store.revision(), restored.next());
}

#[tokio::test]
async fn a_snapshot_of_another_node_takes_its_revision_along() {
    let (here, there) = (Folder::new(), Folder::new());
    let (here, there) = (here.open(), there.open());
    for _ in 0..10 {
        put(&there, "a").await;
    }
    let restored = here.restore(Cursor::new(snapshot(&there))).await.unwrap();
    assert_eq!(restored, there.revision().next());
}

#[tokio::test]
async fn a_damaged_snapshot_changes_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    put(&store, "a").await;
    let good = snapshot(&store);
    put(&store, "b").await;
    let before = store.revision();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        store.restore(Cursor::new(bad)).await.unwrap_err();
        let cut = good[..at].to_vec();
        let error = store.restore(Cursor::new(cut)).await.unwrap_err();
        assert!(matches!(error, SnapshotError::Truncated { .. }), "{error}");
    }
    let long = [good.as_slice(), b"x"].concat();
    let error = store.restore(Cursor::new(long)).await.unwrap_err();
    assert!(matches!(error, SnapshotError::Trailing { .. }), "{error}");
    assert_eq!(store.revision(), before);
    assert_eq!(names(&store), ["a", "b"]);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn the_newest_snapshots_are_kept() {
    let folder = Folder::new();
    let store = folder.open();
    let mut kept = Vec::new();
    for key in ["a", "b", "c", "d", "e"] {
        put(&store, key).await;
        kept.push(store.keep_snapshot().unwrap());
    }
    let exists: Vec<_> = kept.iter().map(|path| path.exists()).collect();
    assert_eq!(exists, [false, false, true, true, true]);
}

/// A snapshot is one state, however many changes go on while it is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_of_one_moment() {
    const TABLE: Table = Table::foreign(0);
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for number in 0..300_u64 {
                let change = move |tx: &mut Tx<'_>| {
                    for row in 0..20_u8 {
                        tx.put(TABLE, &[row], &number.to_be_bytes());
                    }
                    Ok::<_, WriteError>(())
                };
                store.write(change).await.unwrap();
            }
        }
    });
    let copy = Folder::new();
    while !writer.is_finished() {
        let mut bytes = Vec::new();
        store.snapshot(&mut bytes).unwrap();
        let opened = Store::open(&copy.file(), &Options::default()).unwrap();
        opened.store.restore(Cursor::new(bytes)).await.unwrap();
        let reader = opened.store.read().unwrap();
        let rows: Vec<_> = (0..20)
            .map(|row| reader.get(TABLE, &[row]).unwrap())
            .collect();
        assert!(rows.iter().all(|row| *row == rows[0]));
        let topic = Topic::row(TABLE, &[0]);
        assert!(topic.index(&reader).unwrap() >= Revision::FIRST);
    }
    writer.await.unwrap();
}
