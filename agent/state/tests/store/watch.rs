//! Waiting: woken by one's own topic, by nothing else, and always.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use state::{Revision, Store, Table, Topic, Tx, Wake, WriteError};

use crate::folder::Folder;

const TABLE: Table = Table::foreign(0).with_tombstones();

/// Far beyond what anything here takes; a test that waits for it fails.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

async fn put(store: &Store, key: &str) -> Revision {
    let key = key.as_bytes().to_vec();
    let change = move |tx: &mut Tx<'_>| {
        tx.put(TABLE, &key, b"");
        Ok::<_, WriteError>(())
    };
    store.write(change).await.unwrap().revision
}

/// Waits until that many wait.
async fn until_waiting(store: &Store, count: u64) {
    let deadline = far();
    while store.statistics().waiting != count {
        assert!(Instant::now() < deadline, "{:?}", store.statistics());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn wait(store: &Arc<Store>, topic: Topic, seen: Revision) -> tokio::task::JoinHandle<Wake> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.wait(&topic, seen, far()).await.unwrap() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_is_woken_by_its_own_rows_and_by_nothing_else() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    let seen = put(&store, "a/1").await;
    let row = wait(&store, Topic::row(TABLE, b"a/1"), seen);
    let absent = wait(&store, Topic::row(TABLE, b"a/2"), seen);
    let prefix = wait(&store, Topic::prefix(TABLE, b"a/"), seen);
    until_waiting(&store, 3).await;
    for number in 0..1_000 {
        put(&store, &format!("b/{number}")).await;
    }
    put(&store, "a").await;
    assert_eq!(store.statistics().waiting, 3);

    let second = put(&store, "a/2").await;
    assert_eq!(absent.await.unwrap(), Wake::Changed(second));
    assert_eq!(prefix.await.unwrap(), Wake::Changed(second));
    until_waiting(&store, 1).await;
    let first = put(&store, "a/1").await;
    assert_eq!(row.await.unwrap(), Wake::Changed(first));
}

#[tokio::test]
async fn news_that_is_old_already_is_told_at_once() {
    let folder = Folder::new();
    let store = folder.open();
    let index = put(&store, "a").await;
    let topic = Topic::row(TABLE, b"a");
    let told = store.wait(&topic, Revision(1), far()).await.unwrap();
    assert_eq!(told, Wake::Changed(index));
    let now = Instant::now();
    assert_eq!(
        store.wait(&topic, index, now).await.unwrap(),
        Wake::TimedOut
    );
    assert_eq!(store.statistics().waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_many_waiters_are_woken() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    let seen = put(&store, "a").await;
    let topic = Topic::row(TABLE, b"a");
    let waiters: Vec<_> = (0..20_000)
        .map(|_| wait(&store, topic.clone(), seen))
        .collect();
    until_waiting(&store, 20_000).await;
    let index = put(&store, "a").await;
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), Wake::Changed(index));
    }
    assert_eq!(store.statistics().waiting, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_that_gives_up_leaves_nothing_behind() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    let waiters: Vec<_> = (0..100)
        .map(|number| wait(&store, Topic::row(TABLE, &[number]), store.revision()))
        .collect();
    until_waiting(&store, 100).await;
    for waiter in waiters {
        waiter.abort();
        assert!(waiter.await.unwrap_err().is_cancelled());
    }
    assert_eq!(store.statistics().waiting, 0);
}

/// Whoever asks again and again sees every state or a newer one, and ends at the newest.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changes_all_the_time_is_never_lost_from_sight() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    const CHANGES: u64 = 2_000;
    let last = Revision(Revision::FIRST.0 + CHANGES);
    let watcher = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let (mut seen, mut answers) = (Revision::FIRST, 0);
            while seen < last {
                let topic = Topic::row(TABLE, b"a");
                let Wake::Changed(now) = store.wait(&topic, seen, far()).await.unwrap() else {
                    panic!(
                        "the watcher waits at {seen}, the store is at {}",
                        store.revision()
                    );
                };
                assert!(now > seen);
                seen = now;
                answers += 1;
            }
            answers
        }
    });
    for _ in 0..CHANGES {
        put(&store, "a").await;
    }
    assert!(watcher.await.unwrap() <= CHANGES);
}
