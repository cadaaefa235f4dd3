//! Many changes, one commit; and commits that fail.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use proptest::prelude::*;
use state::{
    Engine, EngineError, Options, RedbEngine, Revision, Row, Rows, Store, Table, Tx, View,
    WriteError,
};

use crate::folder::Folder;

const TABLE: Table = Table::foreign(0).with_tombstones();

/// An engine whose disk can be filled up.
struct Disk {
    engine: RedbEngine,
    is_full: Arc<AtomicBool>,
}

impl Engine for Disk {
    fn view(&self) -> Result<Box<dyn View>, EngineError> {
        self.engine.view()
    }

    fn commit(
        &self,
        rows: &mut dyn Iterator<Item = (&[u8], Option<&[u8]>)>,
    ) -> Result<(), EngineError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into());
        }
        self.engine.commit(rows)
    }

    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, EngineError>>,
    ) -> Result<(), EngineError> {
        self.engine.replace(rows)
    }
}

fn put(key: &'static str) -> impl FnOnce(&mut Tx<'_>) -> Result<(), WriteError> + Send + 'static {
    move |tx| {
        tx.put(TABLE, key.as_bytes(), b"value");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_share_a_commit_and_each_has_its_own_revision() {
    let folder = Folder::new();
    let store = Arc::new(folder.open());
    let mut tasks = tokio::task::JoinSet::new();
    const CHANGES: u64 = 5_000;
    for number in 0..CHANGES {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let change = move |tx: &mut Tx<'_>| {
                tx.put(TABLE, &number.to_be_bytes(), b"value");
                Ok::<_, WriteError>(tx.revision())
            };
            let done = store.write(change).await.unwrap();
            assert_eq!(done.value, done.revision);
            assert!(done.changed);
            let reader = store.read().unwrap();
            let row = reader.get(TABLE, &number.to_be_bytes()).unwrap().unwrap();
            assert_eq!(row.revision, done.revision);
            done.revision
        });
    }
    let mut revisions = tasks.join_all().await;
    revisions.sort();
    let all: Vec<_> = (0..CHANGES)
        .map(|n| Revision(Revision::FIRST.0 + 1 + n))
        .collect();
    assert_eq!(revisions, all);
    let statistics = store.statistics();
    assert_eq!(statistics.changes, CHANGES);
    assert!(statistics.commits < CHANGES / 4, "{statistics:?}");
}

#[tokio::test]
async fn a_change_that_fails_or_writes_nothing_costs_no_revision() {
    let folder = Folder::new();
    let store = folder.open();
    let nothing = store.write(|_| Ok::<_, WriteError>(7)).await.unwrap();
    assert_eq!((nothing.value, nothing.changed), (7, false));
    let failed = store.write(|tx| {
        tx.put(TABLE, b"key", b"value");
        Err::<(), _>(WriteError::Closed)
    });
    assert!(matches!(failed.await, Err(WriteError::Closed)));
    assert_eq!(store.read().unwrap().get(TABLE, b"key").unwrap(), None);
    assert_eq!(store.revision(), Revision::FIRST);
    assert_eq!(store.statistics().commits, 0);
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_takes_them_back() {
    let folder = Folder::new();
    let is_full = Arc::new(AtomicBool::new(false));
    let engine = Disk {
        engine: RedbEngine::create(&folder.file(), 1 << 20, &[]).unwrap(),
        is_full: Arc::clone(&is_full),
    };
    let store = Store::on(Box::new(engine), folder.path(), &Options::default()).unwrap();
    store.write(put("one")).await.unwrap();

    is_full.store(true, Ordering::Relaxed);
    let undone = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&undone);
    let refused = store.write(move |tx| {
        tx.on_abort(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        tx.on_commit(|_| panic!("nothing was committed"));
        put("two")(tx)
    });
    let error = refused.await.unwrap_err();
    assert_eq!(error.error_type(), "io");
    assert_eq!(undone.load(Ordering::Relaxed), 1);
    assert_eq!(store.revision(), Revision(3));
    assert_eq!(store.statistics().failures, 1);

    is_full.store(false, Ordering::Relaxed);
    assert_eq!(
        store.write(put("three")).await.unwrap().revision,
        Revision(4)
    );
    let reader = store.read().unwrap();
    assert_eq!(reader.get(TABLE, b"two").unwrap(), None);
    assert!(reader.get(TABLE, b"three").unwrap().is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Put(u8),
    Delete(u8),
    Scan(u8),
}

fn changes() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let step = prop_oneof![
        any::<u8>().prop_map(Step::Put),
        any::<u8>().prop_map(Step::Delete),
        any::<u8>().prop_map(Step::Scan),
    ];
    prop::collection::vec(prop::collection::vec(step, 1..12), 1..24)
}

/// Two letters, so that there are prefixes.
fn key(number: u8) -> Vec<u8> {
    vec![number >> 6, number & 0x0f]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// A change sees what it and all changes before it did, whether that is on disk or not.
    #[test]
    fn a_change_reads_its_own_and_all_earlier_writes(changes in changes()) {
        let folder = Folder::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = folder.open();
            let model = Arc::new(std::sync::Mutex::new(std::collections::BTreeMap::new()));
            // Handed in together, so that they share commits.
            let all = changes.into_iter().map(|steps| {
                let model = Arc::clone(&model);
                store.write(move |tx| {
                    let mut model = model.lock().unwrap();
                    for step in steps {
                        match step {
                            Step::Put(number) => {
                                tx.put(TABLE, &key(number), &[number]);
                                model.insert(key(number), tx.revision());
                            }
                            Step::Delete(number) => {
                                let was = tx.delete(TABLE, &key(number))?;
                                assert_eq!(was, model.remove(&key(number)).is_some());
                            }
                            Step::Scan(number) => {
                                let prefix = &key(number)[..1];
                                let mut found = Vec::new();
                                tx.scan(TABLE, prefix, &mut |key, revision, _| {
                                    found.push((key.to_vec(), revision));
                                    ControlFlow::Continue(())
                                })?;
                                let wanted = model.iter().filter(|(key, _)| key.starts_with(prefix));
                                let wanted: Vec<_> = wanted.map(|(k, r)| (k.clone(), *r)).collect();
                                assert_eq!(found, wanted);
                            }
                        }
                    }
                    Ok::<_, WriteError>(())
                })
            });
            let mut set: Vec<_> = all.map(Box::pin).collect();
            for change in &mut set {
                change.await.unwrap();
            }
        });
    }
}
