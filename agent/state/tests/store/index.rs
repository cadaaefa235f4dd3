//! Indexes move with their own rows, and only forward.

use std::collections::BTreeMap;

use proptest::prelude::*;
use state::{Revision, Rows, Store, Table, Tx, WriteError};

use crate::folder::Folder;

const TABLE: Table = Table::foreign(0).with_tombstones();
const PREFIXES: [&str; 5] = ["", "a", "a/", "a/b", "b/"];
const KEYS: [&str; 6] = ["a", "a/b", "a/bc", "a/c", "b/x", "c"];

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Delete(usize),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..KEYS.len()).prop_map(Step::Put),
        4 => (0..KEYS.len()).prop_map(Step::Delete),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..24)
}

fn indexes(store: &Store) -> BTreeMap<(bool, &'static str), Revision> {
    let reader = store.read().unwrap();
    let prefixes = PREFIXES.map(|prefix| {
        let index = reader.prefix_index(TABLE, prefix.as_bytes()).unwrap();
        ((true, prefix), index)
    });
    let keys = KEYS.map(|key| ((false, key), reader.index(TABLE, key.as_bytes()).unwrap()));
    prefixes.into_iter().chain(keys).collect()
}

/// Whether a change of `key` is one of this row, or of this prefix.
fn concerns((is_prefix, name): (bool, &str), key: &str) -> bool {
    match is_prefix {
        true => key.starts_with(name),
        false => key == name,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_index_is_the_revision_of_the_last_change_it_is_about(steps in steps()) {
        let folder = Folder::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut store = folder.open();
            let mut expected = indexes(&store);
            for step in steps {
                let (key, is_put) = match step {
                    Step::Put(at) => (KEYS[at], true),
                    Step::Delete(at) => (KEYS[at], false),
                    Step::Reopen => {
                        drop(store);
                        store = folder.open();
                        assert_eq!(indexes(&store), expected);
                        continue;
                    }
                };
                let done = store.write(move |tx: &mut Tx<'_>| {
                    match is_put {
                        true => tx.put(TABLE, key.as_bytes(), b""),
                        false => drop(tx.delete(TABLE, key.as_bytes())?),
                    }
                    Ok::<_, WriteError>(())
                }).await.unwrap();
                if done.changed {
                    for (name, index) in &mut expected {
                        if concerns(*name, key) {
                            *index = done.revision;
                        }
                    }
                }
                assert_eq!(indexes(&store), expected);
            }
        });
    }
}

/// Old tombstones are forgotten. What is forgotten may only have been deleted earlier than what the index
/// says then, so no index goes back, also not after a restart; and the number of tombstones stays bounded.
#[tokio::test]
async fn forgotten_tombstones_take_no_index_back() {
    let folder = Folder::new();
    let mut store = folder.open();
    let churn = |from: u64| {
        move |tx: &mut Tx<'_>| {
            for number in from..from + 3_000 {
                let key = [b"churn/".as_slice(), &number.to_be_bytes()].concat();
                tx.put(TABLE, &key, b"");
                tx.delete(TABLE, &key)?;
            }
            Ok::<_, WriteError>(())
        }
    };
    let stays = store.write(|tx| {
        tx.put(TABLE, b"stays", b"");
        Ok::<_, WriteError>(())
    });
    let stays = stays.await.unwrap().revision;
    let watched: [&[u8]; 3] = [b"churn/", b"other/", b""];
    let mut before = vec![Revision::FIRST; watched.len()];
    for round in 0..12 {
        store.write(churn(round * 3_000)).await.unwrap();
        if round % 4 == 3 {
            drop(store);
            store = folder.open();
        }
        let reader = store.read().unwrap();
        for (prefix, before) in watched.iter().zip(&mut before) {
            let index = reader.prefix_index(TABLE, prefix).unwrap();
            assert!(index >= *before, "{prefix:?} went from {before} to {index}");
            *before = index;
        }
        assert_eq!(before[0], store.revision());
        assert_eq!(reader.index(TABLE, b"stays").unwrap(), stays);
    }
    // 36,000 rows came and went; what is left of them fits into the bound.
    let mut bytes = Vec::new();
    let rows = store.snapshot(&mut bytes).unwrap().rows;
    assert!(rows < 2 * 16_384 + 10, "{rows} rows");
}
