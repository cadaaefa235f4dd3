//! Locks that sessions hold, and locks that stay closed for a while.

use std::{
    ops::ControlFlow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Behavior, Session};
use crate::{EngineError, Rows, Table, Tx, kv};

/// Key of the row in [`Table::HELD`]: session, 0, key of the row in [`Table::KV`].
fn held_key(session: &str, row: &[u8]) -> Vec<u8> {
    [session.as_bytes(), &[0], row].concat()
}

/// Notes that `session` holds the lock of a key.
pub(crate) fn hold(tx: &mut Tx<'_>, session: &str, row: &[u8]) {
    tx.put(Table::HELD, &held_key(session, row), &[]);
}

/// Notes that it does not any more.
pub(crate) fn let_go(tx: &mut Tx<'_>, session: &str, row: &[u8]) -> Result<(), EngineError> {
    tx.delete(Table::HELD, &held_key(session, row))?;
    Ok(())
}

/// Frees all locks of a session that ends.
pub(super) fn free(tx: &mut Tx<'_>, session: &Session, delay: Duration) -> Result<(), EngineError> {
    let prefix = held_key(&session.id, &[]);
    let mut locked = Vec::new();
    tx.scan(Table::HELD, &prefix, &mut |key, _, _| {
        locked.push(key.get(prefix.len()..).unwrap_or_default().to_vec());
        ControlFlow::Continue(())
    })?;
    for row in locked {
        match session.behavior {
            Behavior::Release => kv::unlock(tx, &row)?,
            Behavior::Delete => {
                tx.delete(Table::KV, &row)?;
            }
        }
        let_go(tx, &session.id, &row)?;
        if delay > Duration::ZERO {
            let until = unix_ms(SystemTime::now() + delay);
            tx.put(Table::LOCK_DELAYS, &row, &until.to_be_bytes());
        }
    }
    Ok(())
}

/// Whether the lock of a key stays closed for now. On disk, and so by wall time: a restart opens no lock.
pub(crate) fn is_delayed(tx: &mut Tx<'_>, namespace: &str, key: &str) -> Result<bool, EngineError> {
    let row = kv::row_key(namespace, key);
    let Some(record) = tx.get(Table::LOCK_DELAYS, &row)? else {
        return Ok(false);
    };
    let until = record
        .payload
        .first_chunk()
        .copied()
        .map(u64::from_be_bytes);
    if until.is_some_and(|until| unix_ms(SystemTime::now()) < until) {
        return Ok(true);
    }
    tx.delete(Table::LOCK_DELAYS, &row)?;
    Ok(false)
}

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
