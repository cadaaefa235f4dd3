//! Keys, locks, sessions, transactions.

use std::time::{Duration, Instant};

use state::{
    Revision, Store, Tx, WriteError,
    kv::{self, Condition, KvError},
    sessions::{self, Behavior, Session, SessionError},
    txn::{self, Step, StepError, TxnError},
};

use crate::folder::Folder;

const NS: &str = "default";

/// Runs a change of keys and returns what it returned.
async fn keys<T: Send + 'static>(
    store: &Store,
    change: impl FnOnce(&mut Tx<'_>) -> Result<T, KvError> + Send + 'static,
) -> T {
    store.write(change).await.unwrap().value
}

async fn put(store: &Store, key: &'static str, value: &'static str) -> Revision {
    let change = move |tx: &mut Tx<'_>| kv::put(tx, NS, key, value.as_bytes(), 0);
    store.write::<_, KvError>(change).await.unwrap().revision
}

async fn session(store: &Store, session: Session) -> Session {
    let change = move |tx: &mut Tx<'_>| sessions::create(tx, session);
    let made = store.write::<_, SessionError>(change).await.unwrap();
    made.value
}

async fn end(store: &Store, id: String) -> bool {
    let change = move |tx: &mut Tx<'_>| Ok::<_, WriteError>(sessions::invalidate(tx, &id)?);
    store.write(change).await.unwrap().value
}

fn get(store: &Store, key: &str) -> Option<kv::Entry> {
    kv::get(&store.read().unwrap(), NS, key).unwrap()
}

#[tokio::test]
async fn a_key_keeps_its_birth_and_counts_its_changes() {
    let folder = Folder::new();
    let store = folder.open();
    let first = put(&store, "a/b", "one").await;
    assert_eq!(first, Revision::FIRST.next());
    let second = put(&store, "a/b", "two").await;
    assert_eq!(
        get(&store, "a/b"),
        Some(kv::Entry {
            key: "a/b".to_owned(),
            value: b"two".to_vec(),
            flags: 0,
            lock_index: 0,
            session: None,
            create_index: first,
            modify_index: second,
        })
    );
    assert_eq!(get(&store, "a"), None);
}

#[tokio::test]
async fn a_condition_lets_one_writer_win() {
    let folder = Folder::new();
    let store = folder.open();
    let put_if = |condition| move |tx: &mut Tx<'_>| kv::put_if(tx, NS, "k", b"v", 0, condition);
    assert!(keys(&store, put_if(Condition::Absent)).await);
    assert!(!keys(&store, put_if(Condition::Absent)).await);
    let index = get(&store, "k").unwrap().modify_index;
    assert!(keys(&store, put_if(Condition::ModifiedAt(index))).await);
    assert!(!keys(&store, put_if(Condition::ModifiedAt(index))).await);
    let delete = |index| move |tx: &mut Tx<'_>| kv::delete_if(tx, NS, "k", index);
    assert!(!keys(&store, delete(index)).await);
    assert!(!keys(&store, delete(Revision(0))).await);
    let index = get(&store, "k").unwrap().modify_index;
    assert!(keys(&store, delete(index)).await);
    assert_eq!(get(&store, "k"), None);
}

#[tokio::test]
async fn keys_are_listed_by_folder() {
    let folder = Folder::new();
    let store = folder.open();
    for key in ["a", "a/b", "a/c/d", "a/c/e", "ab", "b"] {
        put(&store, key, "x").await;
    }
    let reader = store.read().unwrap();
    let names = |prefix, separator| kv::folders(&reader, NS, prefix, separator).unwrap();
    assert_eq!(names("a/", "/"), ["a/b", "a/c/"]);
    assert_eq!(names("", "/"), ["a", "a/", "ab", "b"]);
    assert_eq!(names("a/c", ""), ["a/c/d", "a/c/e"]);
    assert_eq!(names("z", ""), [""; 0]);
    assert_eq!(kv::list(&reader, NS, "a/").unwrap().len(), 3);
    assert_eq!(kv::list(&reader, "other", "").unwrap(), []);
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused() {
    let folder = Folder::new();
    let store = folder.open();
    let refused = |key: &'static str, bytes: usize| {
        let store = &store;
        async move {
            let change = move |tx: &mut Tx<'_>| kv::put(tx, NS, key, &vec![0; bytes], 0);
            store.write(change).await.unwrap_err()
        }
    };
    assert!(matches!(refused("", 1).await, KvError::Key { .. }));
    assert!(matches!(refused("/a", 1).await, KvError::Key { .. }));
    let error = refused("a", kv::LONGEST_VALUE + 1).await;
    assert!(matches!(error, KvError::TooLarge { .. }));
    assert_eq!(store.revision(), Revision::FIRST);
}

#[tokio::test]
async fn a_lock_has_one_holder_and_opens_with_its_session() {
    let folder = Folder::new();
    let store = folder.open();
    let one = session(&store, Session::default()).await.id;
    let two = session(&store, Session::default()).await.id;
    let acquire = |id: &String| {
        let id = id.clone();
        move |tx: &mut Tx<'_>| kv::acquire(tx, NS, "lock", b"v", 0, &id)
    };
    assert!(keys(&store, acquire(&one)).await);
    assert!(keys(&store, acquire(&one)).await);
    assert!(!keys(&store, acquire(&two)).await);
    let held = get(&store, "lock").unwrap();
    assert_eq!((held.lock_index, held.session), (1, Some(one.clone())));

    // Writing without the lock is allowed, and leaves it where it is.
    put(&store, "lock", "changed").await;
    assert_eq!(get(&store, "lock").unwrap().session, Some(one.clone()));

    assert!(end(&store, one.clone()).await);
    let open = get(&store, "lock").unwrap();
    assert_eq!((open.session, open.value), (None, b"changed".to_vec()));
    assert!(keys(&store, acquire(&two)).await);
    assert_eq!(get(&store, "lock").unwrap().lock_index, 2);
    let error = store.write(acquire(&one)).await.unwrap_err();
    assert!(matches!(error, KvError::NoSession(id) if id == one));
}

#[tokio::test]
async fn a_release_gives_up_only_an_own_lock() {
    let folder = Folder::new();
    let store = folder.open();
    let one = session(&store, Session::default()).await.id;
    let two = session(&store, Session::default()).await.id;
    let id = one.clone();
    assert!(keys(&store, move |tx| kv::acquire(tx, NS, "l", b"", 7, &id)).await);
    assert!(!keys(&store, move |tx| kv::release(tx, NS, "l", b"", 0, &two)).await);
    assert!(keys(&store, move |tx| kv::release(tx, NS, "l", b"", 0, &one)).await);
    let entry = get(&store, "l").unwrap();
    assert_eq!((entry.session, entry.lock_index), (None, 1));
}

#[tokio::test]
async fn a_session_that_deletes_takes_its_keys_along() {
    let folder = Folder::new();
    let store = folder.open();
    let id = session(
        &store,
        Session {
            behavior: Behavior::Delete,
            ..Session::default()
        },
    )
    .await
    .id;
    let holder = id.clone();
    assert!(keys(&store, move |tx| kv::acquire(tx, NS, "l", b"", 0, &holder)).await);
    assert!(end(&store, id).await);
    assert_eq!(get(&store, "l"), None);
}

#[tokio::test]
async fn a_lock_stays_closed_for_the_delay_also_over_a_restart() {
    let folder = Folder::new();
    let store = folder.open();
    let careful = Session {
        lock_delay: Duration::from_secs(60),
        ..Session::default()
    };
    let one = session(&store, careful).await.id;
    let two = session(&store, Session::default()).await.id;
    let holder = one.clone();
    assert!(keys(&store, move |tx| kv::acquire(tx, NS, "l", b"", 0, &holder)).await);
    assert!(end(&store, one).await);
    drop(store);
    let store = folder.open();
    assert!(!keys(&store, move |tx| kv::acquire(tx, NS, "l", b"", 0, &two)).await);
}

#[tokio::test]
async fn a_session_ends_when_its_ttl_ran_out_and_not_before() {
    let folder = Folder::new();
    let store = folder.open();
    let ttl = Duration::from_secs(10);
    let made = session(
        &store,
        Session {
            ttl: Some(ttl),
            ..Session::default()
        },
    )
    .await;
    let exists = |store: &Store| sessions::get(&store.read().unwrap(), &made.id).unwrap();
    assert_eq!(exists(&store), Some(made.clone()));

    let now = Instant::now();
    assert_eq!(store.expire_sessions(now).await.unwrap(), 0);
    assert!(store.renew_session(&made.id, now + ttl / 2));
    assert_eq!(store.expire_sessions(now + ttl).await.unwrap(), 0);
    assert!(!store.renew_session("another", now));

    // A restart gives a whole TTL again.
    drop(store);
    let store = folder.open();
    assert_eq!(store.expire_sessions(now + ttl).await.unwrap(), 0);
    let late = Instant::now() + ttl;
    assert_eq!(store.expire_sessions(late).await.unwrap(), 1);
    assert_eq!(exists(&store), None);
    assert_eq!(store.expire_sessions(late).await.unwrap(), 0);
}

#[tokio::test]
async fn a_session_ends_with_a_check_of_its_node() {
    let folder = Folder::new();
    let store = folder.open();
    let on = |node: &str| Session {
        node: node.to_owned(),
        node_checks: vec!["serfHealth".to_owned()],
        ..Session::default()
    };
    let here = session(&store, on("here")).await;
    let there = session(&store, on("there")).await;
    let change = |tx: &mut Tx<'_>| sessions::invalidate_by_check(tx, "here", "serfHealth");
    let fail = move |tx: &mut Tx<'_>| change(tx).map_err(WriteError::from);
    store.write(fail).await.unwrap();
    let reader = store.read().unwrap();
    assert_eq!(sessions::get(&reader, &here.id).unwrap(), None);
    assert_eq!(sessions::list(&reader).unwrap(), [there]);
}

#[tokio::test]
async fn ttl_and_delay_have_limits() {
    let folder = Folder::new();
    let store = folder.open();
    let refused = async |session: Session| {
        let change = move |tx: &mut Tx<'_>| sessions::create(tx, session);
        store.write(change).await.unwrap_err()
    };
    let short = refused(Session {
        ttl: Some(Duration::from_secs(9)),
        ..Session::default()
    });
    assert!(matches!(short.await, SessionError::Ttl(_)));
    let long = refused(Session {
        lock_delay: Duration::from_secs(61),
        ..Session::default()
    });
    assert!(matches!(long.await, SessionError::LockDelay(_)));
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    let before = put(&store, "old", "x").await;
    let key = |key: &str| key.to_owned();
    let steps = vec![
        Step::Put {
            key: key("new"),
            value: b"1".to_vec(),
            flags: 0,
        },
        Step::Get { key: key("none") },
        Step::CheckIndex {
            key: key("old"),
            index: Revision(1),
        },
    ];
    let run = |steps: Vec<Step>| move |tx: &mut Tx<'_>| txn::apply(tx, NS, &steps);
    let Err(TxnError::Steps(errors)) = store.write(run(steps)).await else {
        panic!("the transaction went through");
    };
    let failed: Vec<_> = errors.iter().map(|(number, _)| *number).collect();
    assert_eq!(failed, [1, 2]);
    assert!(matches!(errors[0].1, StepError::Absent { .. }));
    assert!(matches!(errors[1].1, StepError::Stale { found, .. } if found == before));
    assert_eq!(get(&store, "new"), None);
    assert_eq!(store.revision(), before);

    let steps = vec![
        Step::Put {
            key: key("new"),
            value: b"1".to_vec(),
            flags: 0,
        },
        Step::Get { key: key("new") },
        Step::DeletePrefix { prefix: key("ol") },
        Step::CheckAbsent { key: key("old") },
    ];
    let done = store.write(run(steps)).await.unwrap();
    assert_eq!(done.value.len(), 2);
    assert_eq!(done.value[0], done.value[1]);
    assert_eq!(done.revision, before.next());
    assert_eq!(get(&store, "old"), None);
}
