//! The audit log: what was done is there, and what was changed shows.

use state::{
    Table, Tx, WriteError,
    audit::{self, AuditError, Event},
};

use crate::folder::Folder;

fn event(target: &str) -> Event {
    Event {
        actor: "alice".to_owned(),
        action: "token.issue".to_owned(),
        target: target.to_owned(),
        outcome: "done".to_owned(),
    }
}

#[tokio::test]
async fn the_chain_holds_over_restarts_and_failed_changes_leave_no_entry() {
    let folder = Folder::new();
    let mut store = folder.open();
    for round in 0..3 {
        for number in 0..5 {
            let target = format!("{round}-{number}");
            let change = move |tx: &mut Tx<'_>| {
                audit::append(tx, event(&target))?;
                match number {
                    4 => Err(WriteError::Closed),
                    _ => Ok(()),
                }
            };
            assert_eq!(store.write(change).await.is_err(), number == 4);
        }
        drop(store);
        store = folder.open();
    }
    let reader = store.read().unwrap();
    let verified = audit::verify(&reader).unwrap();
    assert_eq!((verified.oldest, verified.newest), (1, 12));
    let latest = audit::latest(&reader, 2).unwrap();
    let targets: Vec<_> = latest.iter().map(|entry| entry.target.as_str()).collect();
    assert_eq!(targets, ["2-2", "2-3"]);
    assert_eq!(latest[1].hash, verified.head);
    assert_eq!(latest[1].previous, latest[0].hash);
}

/// The table of the log, as somebody could write to it who has the file.
const LOG: Table = Table::foreign(0);

#[tokio::test]
async fn an_entry_that_is_changed_breaks_its_seal() {
    let folder = Folder::new();
    let store = folder.open();
    let change = |tx: &mut Tx<'_>| {
        tx.put(LOG, b"unrelated", b"");
        audit::append(tx, event("x")).map_err(WriteError::from)
    };
    let entry = store.write(change).await.unwrap().value;
    assert_eq!(entry.seal(), entry.hash);
    for change in [
        |entry: &mut audit::Entry| entry.actor.push('x'),
        |entry: &mut audit::Entry| entry.time_ms += 1,
        |entry: &mut audit::Entry| entry.revision.0 += 1,
        |entry: &mut audit::Entry| entry.previous.push('0'),
        // What moves from one field to the next is a change, too.
        |entry: &mut audit::Entry| {
            let last = entry.actor.pop().unwrap();
            entry.action.insert(0, last);
        },
    ] {
        let mut changed = entry.clone();
        change(&mut changed);
        assert_ne!(changed.seal(), entry.hash);
    }
    let missing = AuditError::Missing { number: 3 };
    assert_eq!(missing.to_string(), "entry 3 is missing");
}
