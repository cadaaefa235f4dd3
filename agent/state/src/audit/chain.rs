//! The chain of entries.

use std::{
    ops::ControlFlow,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Entry, Event};
use crate::{EngineError, Rows, Table, Tx};

/// Entries that are kept.
const MOST: u64 = 100_000;

/// Key in [`Table::META`] of [`Ends`].
const ENDS: &[u8] = b"audit";

/// Both ends of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ends {
    /// Number of the oldest entry that is kept, and the hash of the one before it.
    oldest: u64,
    anchor: String,
    /// Number and hash of the newest entry.
    newest: u64,
    head: String,
}

/// An unbroken chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Number of the oldest entry that is kept.
    pub oldest: u64,
    /// Number of the newest entry; 0 when there is none.
    pub newest: u64,
    /// Hash of the newest entry: to be noted elsewhere, if the whole file is not trusted.
    pub head: String,
}

/// Where the chain is broken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// An entry is missing.
    #[error("entry {number} is missing")]
    Missing {
        /// Its number.
        number: u64,
    },
    /// An entry is not what was sealed.
    #[error("entry {number} was changed")]
    Changed {
        /// Its number.
        number: u64,
    },
    /// An entry does not follow on the one before.
    #[error("entry {number} does not follow on the one before it")]
    Unlinked {
        /// Its number.
        number: u64,
    },
    /// The state cannot be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Notes an event, in the same commit as the rest of the change.
///
/// # Errors
/// When the state cannot be read.
pub fn append(tx: &mut Tx<'_>, event: Event) -> Result<Entry, EngineError> {
    let mut ends = ends(tx)?;
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut entry = Entry {
        number: ends.newest + 1,
        time_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        actor: event.actor,
        action: event.action,
        target: event.target,
        outcome: event.outcome,
        revision: tx.revision(),
        previous: ends.head.clone(),
        hash: String::new(),
    };
    entry.hash = entry.seal();
    tx.put(Table::AUDIT, &entry.number.to_be_bytes(), &json(&entry)?);
    ends.newest = entry.number;
    ends.head.clone_from(&entry.hash);
    if ends.oldest == 0 {
        ends.oldest = entry.number;
    }
    if ends.newest - ends.oldest >= MOST {
        let key = ends.oldest.to_be_bytes();
        if let Some(record) = tx.get(Table::AUDIT, &key)? {
            ends.anchor = decode(&record.payload)?.hash;
        }
        tx.delete(Table::AUDIT, &key)?;
        ends.oldest += 1;
    }
    tx.put(Table::META, ENDS, &json(&ends)?);
    Ok(entry)
}

/// The newest `most` entries, oldest first.
///
/// # Errors
/// When the state cannot be read.
pub fn latest(rows: &(impl Rows + ?Sized), most: usize) -> Result<Vec<Entry>, EngineError> {
    let ends = ends(rows)?;
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let first = ends.oldest.max((ends.newest + 1).saturating_sub(most));
    let mut entries = Vec::new();
    for number in first..=ends.newest {
        if let Some(record) = rows.get(Table::AUDIT, &number.to_be_bytes())? {
            entries.push(decode(&record.payload)?);
        }
    }
    Ok(entries)
}

/// Checks every entry against its hash and the one before.
///
/// # Errors
/// The first break of the chain.
pub fn verify(rows: &(impl Rows + ?Sized)) -> Result<Verified, AuditError> {
    let ends = ends(rows)?;
    let mut number = ends.oldest.max(1);
    let mut previous = ends.anchor;
    let mut broken = None;
    rows.scan(Table::AUDIT, &[], &mut |_, _, row| {
        let link = decode(row)
            .map_err(AuditError::from)
            .and_then(|entry| follows(&entry, number, &previous).map(|()| entry.hash));
        match link {
            Ok(hash) => previous = hash,
            Err(error) => {
                broken = Some(error);
                return ControlFlow::Break(());
            }
        }
        number += 1;
        ControlFlow::Continue(())
    })?;
    if let Some(error) = broken {
        return Err(error);
    }
    if number != ends.newest + 1 {
        return Err(AuditError::Missing { number });
    }
    if previous != ends.head {
        let number = ends.newest;
        return Err(AuditError::Changed { number });
    }
    Ok(Verified {
        oldest: ends.oldest,
        newest: ends.newest,
        head: ends.head,
    })
}

fn follows(entry: &Entry, number: u64, previous: &str) -> Result<(), AuditError> {
    if entry.number != number {
        return Err(AuditError::Missing { number });
    }
    if entry.previous != previous {
        return Err(AuditError::Unlinked { number });
    }
    match entry.seal() == entry.hash {
        true => Ok(()),
        false => Err(AuditError::Changed { number }),
    }
}

fn ends(rows: &(impl Rows + ?Sized)) -> Result<Ends, EngineError> {
    match rows.get(Table::META, ENDS)? {
        Some(record) => {
            serde_json::from_slice(&record.payload).map_err(|error| EngineError::Corrupt {
                reason: format!("the ends of the audit log: {error}"),
            })
        }
        None => Ok(Ends::default()),
    }
}

fn decode(row: &[u8]) -> Result<Entry, EngineError> {
    serde_json::from_slice(row).map_err(|error| EngineError::Corrupt {
        reason: format!("an entry of the audit log: {error}"),
    })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, EngineError> {
    serde_json::to_vec(value).map_err(|error| EngineError::Other {
        reason: error.to_string(),
    })
}
