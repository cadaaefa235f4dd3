//! Several changes of keys, all or nothing.

use thiserror::Error;

use crate::{
    Revision, Tx, WriteError,
    kv::{self, Condition, Entry, KvError},
};

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the functions of `kv`")]
pub enum Step {
    /// [`kv::put`].
    Put {
        key: String,
        value: Vec<u8>,
        flags: u64,
    },
    /// [`kv::put_if`]; the transaction fails when the condition does.
    PutIf {
        key: String,
        value: Vec<u8>,
        flags: u64,
        condition: Condition,
    },
    /// [`kv::acquire`]; the transaction fails when the lock is not had.
    Acquire {
        key: String,
        value: Vec<u8>,
        flags: u64,
        session: String,
    },
    /// [`kv::release`]; the transaction fails when the lock was not had.
    Release {
        key: String,
        value: Vec<u8>,
        flags: u64,
        session: String,
    },
    /// Returns the key; the transaction fails when it does not exist.
    Get { key: String },
    /// Returns the key, if it exists.
    GetOrEmpty { key: String },
    /// Returns all keys with this prefix.
    List { prefix: String },
    /// The transaction fails unless the key was last changed at this revision.
    CheckIndex { key: String, index: Revision },
    /// The transaction fails unless this session holds the lock.
    CheckSession { key: String, session: String },
    /// The transaction fails if the key exists.
    CheckAbsent { key: String },
    /// [`kv::delete`].
    Delete { key: String },
    /// [`kv::delete_if`]; the transaction fails when the key was changed since.
    DeleteIf { key: String, index: Revision },
    /// [`kv::delete_prefix`].
    DeletePrefix { prefix: String },
}

/// Why a step failed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum StepError {
    /// The key does not exist.
    #[error("key {key:?} doesn't exist")]
    Absent {
        /// The key.
        key: String,
    },
    /// The key exists.
    #[error("key {key:?} exists")]
    Present {
        /// The key.
        key: String,
    },
    /// The key was changed since.
    #[error("key {key:?} has index {found}, not {wanted}")]
    Stale {
        /// The key.
        key: String,
        /// Its index; 0 when it does not exist.
        found: Revision,
        /// The index that was asked for.
        wanted: Revision,
    },
    /// The lock is somebody else's.
    #[error("lock of key {key:?} is not held by session {session:?}")]
    NotHeld {
        /// The key.
        key: String,
        /// The session that was asked for.
        session: String,
    },
    /// The step itself could not be carried out.
    #[error(transparent)]
    Kv(#[from] KvError),
}

/// Why a transaction failed; nothing of it remains.
#[derive(Clone, Debug, Error)]
pub enum TxnError {
    /// Steps that failed, by number from 0.
    #[error("{} steps failed", .0.len())]
    Steps(Vec<(usize, StepError)>),
    /// The state could not be read or written.
    #[error(transparent)]
    State(#[from] WriteError),
}

/// Runs all steps, each seeing the ones before. Returns what they read or wrote, in order; deletions and
/// checks return nothing.
///
/// # Errors
/// All steps that fail; then nothing of the transaction remains.
pub fn apply(tx: &mut Tx<'_>, namespace: &str, steps: &[Step]) -> Result<Vec<Entry>, TxnError> {
    let mut results = Vec::new();
    let mut errors = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        match run(tx, namespace, step) {
            Ok(entries) => results.extend(entries),
            Err(StepError::Kv(KvError::State(error))) => return Err(error.into()),
            Err(error) => errors.push((number, error)),
        }
    }
    match errors.is_empty() {
        true => Ok(results),
        false => Err(TxnError::Steps(errors)),
    }
}

/// Runs one step. Returns the entries it read or wrote.
///
/// # Errors
/// When it fails; what it wrote before it did is to be dropped with the transaction.
pub fn run(tx: &mut Tx<'_>, namespace: &str, step: &Step) -> Result<Vec<Entry>, StepError> {
    match step {
        Step::Put { key, value, flags } => {
            kv::put(tx, namespace, key, value, *flags)?;
            written(tx, namespace, key)
        }
        Step::PutIf {
            key,
            value,
            flags,
            condition,
        } => {
            let old = found(tx, namespace, key)?;
            if kv::put_if(tx, namespace, key, value, *flags, *condition)? {
                return written(tx, namespace, key);
            }
            Err(match (condition, old) {
                (Condition::Absent, _) => StepError::Present { key: key.clone() },
                (Condition::ModifiedAt(wanted), old) => stale(key, old.as_ref(), *wanted),
            })
        }
        Step::Acquire {
            key,
            value,
            flags,
            session,
        } => {
            let got = kv::acquire(tx, namespace, key, value, *flags, session)?;
            held(got, key, session)?;
            written(tx, namespace, key)
        }
        Step::Release {
            key,
            value,
            flags,
            session,
        } => {
            let had = kv::release(tx, namespace, key, value, *flags, session)?;
            held(had, key, session)?;
            written(tx, namespace, key)
        }
        Step::Get { key } => match found(tx, namespace, key)? {
            Some(entry) => Ok(vec![entry]),
            None => Err(StepError::Absent { key: key.clone() }),
        },
        Step::GetOrEmpty { key } => Ok(found(tx, namespace, key)?.into_iter().collect()),
        Step::List { prefix } => Ok(kv::list(tx, namespace, prefix).map_err(KvError::from)?),
        Step::CheckIndex { key, index } => match found(tx, namespace, key)? {
            Some(entry) if entry.modify_index == *index => Ok(Vec::new()),
            entry => Err(stale(key, entry.as_ref(), *index)),
        },
        Step::CheckSession { key, session } => {
            let entry = found(tx, namespace, key)?;
            let Some(entry) = entry else {
                return Err(StepError::Absent { key: key.clone() });
            };
            held(entry.session.as_ref() == Some(session), key, session)?;
            Ok(Vec::new())
        }
        Step::CheckAbsent { key } => match found(tx, namespace, key)? {
            None => Ok(Vec::new()),
            Some(_) => Err(StepError::Present { key: key.clone() }),
        },
        Step::Delete { key } => {
            kv::delete(tx, namespace, key)?;
            Ok(Vec::new())
        }
        Step::DeleteIf { key, index } => {
            let old = found(tx, namespace, key)?;
            match kv::delete_if(tx, namespace, key, *index)? {
                true => Ok(Vec::new()),
                false => Err(stale(key, old.as_ref(), *index)),
            }
        }
        Step::DeletePrefix { prefix } => {
            kv::delete_prefix(tx, namespace, prefix)?;
            Ok(Vec::new())
        }
    }
}

fn found(tx: &Tx<'_>, namespace: &str, key: &str) -> Result<Option<Entry>, StepError> {
    Ok(kv::get(tx, namespace, key).map_err(KvError::from)?)
}

fn written(tx: &Tx<'_>, namespace: &str, key: &str) -> Result<Vec<Entry>, StepError> {
    Ok(found(tx, namespace, key)?.into_iter().collect())
}

fn held(is_held: bool, key: &str, session: &str) -> Result<(), StepError> {
    match is_held {
        true => Ok(()),
        false => Err(StepError::NotHeld {
            key: key.to_owned(),
            session: session.to_owned(),
        }),
    }
}

fn stale(key: &str, entry: Option<&Entry>, wanted: Revision) -> StepError {
    StepError::Stale {
        key: key.to_owned(),
        found: entry.map_or(Revision(0), |entry| entry.modify_index),
        wanted,
    }
}
