//! Writing keys: plain, on a condition, as a lock.

use super::{Entry, KvError, LONGEST_KEY, LONGEST_VALUE, get, row::row_key};
use crate::{EngineError, Revision, Rows, Table, Tx, sessions};

/// What must hold for a change to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key does not exist.
    Absent,
    /// The key was last changed at this revision.
    ModifiedAt(Revision),
}

impl Condition {
    /// The condition of a `cas` parameter: 0 means absent.
    pub fn from_cas(index: u64) -> Self {
        match index {
            0 => Self::Absent,
            index => Self::ModifiedAt(Revision(index)),
        }
    }

    fn holds(self, entry: Option<&Entry>) -> bool {
        match (self, entry) {
            (Self::Absent, None) => true,
            (Self::ModifiedAt(index), Some(entry)) => entry.modify_index == index,
            _ => false,
        }
    }
}

/// Writes a key. A lock on it stays with its holder: locks are advisory.
///
/// # Errors
/// When key or value cannot be stored.
pub fn put(
    tx: &mut Tx<'_>,
    namespace: &str,
    key: &str,
    value: &[u8],
    flags: u64,
) -> Result<(), KvError> {
    check(key, value)?;
    let old = get(tx, namespace, key)?;
    let entry = Entry {
        lock_index: old.as_ref().map_or(0, |old| old.lock_index),
        session: old.as_ref().and_then(|old| old.session.clone()),
        ..fresh(tx, old.as_ref(), key, value, flags)
    };
    store(tx, namespace, &entry);
    Ok(())
}

/// Writes a key if `condition` holds; returns whether it did.
///
/// # Errors
/// When key or value cannot be stored.
pub fn put_if(
    tx: &mut Tx<'_>,
    namespace: &str,
    key: &str,
    value: &[u8],
    flags: u64,
    condition: Condition,
) -> Result<bool, KvError> {
    check(key, value)?;
    if !condition.holds(get(tx, namespace, key)?.as_ref()) {
        return Ok(false);
    }
    put(tx, namespace, key, value, flags)?;
    Ok(true)
}

/// Writes a key and locks it for `session`; returns whether it is locked now. Who holds the lock already
/// writes anew and keeps it, without being counted again. During the lock delay after a session was ended
/// from outside, nobody gets it.
///
/// # Errors
/// When there is no such session, or key or value cannot be stored.
pub fn acquire(
    tx: &mut Tx<'_>,
    namespace: &str,
    key: &str,
    value: &[u8],
    flags: u64,
    session: &str,
) -> Result<bool, KvError> {
    check(key, value)?;
    require(tx, session)?;
    let old = get(tx, namespace, key)?;
    let holder = old.as_ref().and_then(|old| old.session.as_deref());
    let is_mine = holder == Some(session);
    if holder.is_some() && !is_mine || sessions::is_delayed(tx, namespace, key)? {
        return Ok(false);
    }
    let locks = old.as_ref().map_or(0, |old| old.lock_index);
    let entry = Entry {
        lock_index: locks + u64::from(!is_mine),
        session: Some(session.to_owned()),
        ..fresh(tx, old.as_ref(), key, value, flags)
    };
    store(tx, namespace, &entry);
    sessions::hold(tx, session, &row_key(namespace, key));
    Ok(true)
}

/// Writes a key and gives up the lock that `session` holds on it; returns whether it held it.
///
/// # Errors
/// When there is no such session, or key or value cannot be stored.
pub fn release(
    tx: &mut Tx<'_>,
    namespace: &str,
    key: &str,
    value: &[u8],
    flags: u64,
    session: &str,
) -> Result<bool, KvError> {
    check(key, value)?;
    require(tx, session)?;
    let Some(old) = get(tx, namespace, key)? else {
        return Ok(false);
    };
    if old.session.as_deref() != Some(session) {
        return Ok(false);
    }
    let entry = Entry {
        lock_index: old.lock_index,
        ..fresh(tx, Some(&old), key, value, flags)
    };
    store(tx, namespace, &entry);
    sessions::let_go(tx, session, &row_key(namespace, key))?;
    Ok(true)
}

/// Deletes a key; returns whether it was there.
///
/// # Errors
/// When the state cannot be read.
pub fn delete(tx: &mut Tx<'_>, namespace: &str, key: &str) -> Result<bool, KvError> {
    let Some(old) = get(tx, namespace, key)? else {
        return Ok(false);
    };
    let row = row_key(namespace, key);
    if let Some(session) = &old.session {
        sessions::let_go(tx, session, &row)?;
    }
    Ok(tx.delete(Table::KV, &row)?)
}

/// Deletes a key that was last changed at `index`; returns whether it is gone. A key that is not there is
/// gone; 0 never deletes.
///
/// # Errors
/// When the state cannot be read.
pub fn delete_if(
    tx: &mut Tx<'_>,
    namespace: &str,
    key: &str,
    index: Revision,
) -> Result<bool, KvError> {
    match get(tx, namespace, key)? {
        _ if index == Revision(0) => Ok(false),
        None => Ok(true),
        Some(old) if old.modify_index == index => delete(tx, namespace, key),
        Some(_) => Ok(false),
    }
}

/// Deletes all keys that begin with `prefix`; returns how many there were.
///
/// # Errors
/// When the state cannot be read.
pub fn delete_prefix(tx: &mut Tx<'_>, namespace: &str, prefix: &str) -> Result<usize, KvError> {
    let keys = super::folders(tx, namespace, prefix, "")?;
    for key in &keys {
        delete(tx, namespace, key)?;
    }
    Ok(keys.len())
}

/// An unlocked entry that takes the place of `old`.
fn fresh(tx: &Tx<'_>, old: Option<&Entry>, key: &str, value: &[u8], flags: u64) -> Entry {
    Entry {
        key: key.to_owned(),
        value: value.to_vec(),
        flags,
        lock_index: 0,
        session: None,
        create_index: old.map_or(tx.revision(), |old| old.create_index),
        modify_index: tx.revision(),
    }
}

fn store(tx: &mut Tx<'_>, namespace: &str, entry: &Entry) {
    tx.put(Table::KV, &row_key(namespace, &entry.key), &entry.encode());
}

fn require(tx: &Tx<'_>, session: &str) -> Result<(), KvError> {
    match sessions::get(tx, session)? {
        Some(_) => Ok(()),
        None => Err(KvError::NoSession(session.to_owned())),
    }
}

/// Frees the key of a session that ends; the lock is open, the value stays.
pub(crate) fn unlock(tx: &mut Tx<'_>, row: &[u8]) -> Result<(), EngineError> {
    let Some(record) = tx.get(Table::KV, row)? else {
        return Ok(());
    };
    let mut entry = Entry::decode(String::new(), record.revision, &record.payload)?;
    entry.session = None;
    tx.put(Table::KV, row, &entry.encode());
    Ok(())
}

fn check(key: &str, value: &[u8]) -> Result<(), KvError> {
    let wrong = |reason| Err(KvError::Key { reason });
    if key.is_empty() {
        return wrong("is empty");
    }
    if key.len() > LONGEST_KEY {
        return wrong("is longer than 4096 bytes");
    }
    if key.starts_with('/') {
        return wrong("begins with a slash");
    }
    if value.len() > LONGEST_VALUE {
        return Err(KvError::TooLarge {
            bytes: value.len(),
            most: LONGEST_VALUE,
        });
    }
    Ok(())
}
