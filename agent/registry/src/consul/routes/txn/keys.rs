//! Operations of a transaction on keys.

use base64::{Engine, prelude::BASE64_STANDARD};
use state::{
    Revision, Tx, WriteError,
    kv::{self, Condition, Entry, KvError},
    txn::{self, Step, StepError},
};

use crate::consul::{
    error::ApiError,
    types::{kv::KvRow, txn::KvOp},
};

/// One operation on keys.
pub(super) struct KeyOperation {
    step: Step,
    /// The key, or what the keys begin with.
    pub(super) key: String,
    pub(super) shows: Shows,
}

/// What an operation shows of the keys it touched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// All of them, with values.
    Values,
    /// The key with its value, or an empty one in its place.
    ValueOrEmpty,
    /// Everything but the value.
    Metadata,
    /// Nothing.
    Nothing,
}

impl Shows {
    /// The form that is shown.
    pub(super) fn row<'a>(self, namespace: &'a str, entry: &'a Entry) -> KvRow<'a> {
        let row = KvRow::new(namespace, entry);
        if self == Self::Metadata {
            row.without_value()
        } else {
            row
        }
    }
}

impl KeyOperation {
    /// Reads verb and operands.
    ///
    /// # Errors
    /// There is no such verb, or the value is not base64.
    pub(super) fn parse(operation: KvOp) -> Result<Self, ApiError> {
        let KvOp {
            verb,
            key,
            value,
            flags,
            index,
            session,
        } = operation;
        let value = BASE64_STANDARD
            .decode(value)
            .map_err(|error| ApiError::bad_request(format!("Value of key {key:?}: {error}")))?;
        let index = Revision(index);
        let touched = key.clone();
        let (step, shows) = match verb.as_str() {
            "set" => (Step::Put { key, value, flags }, Shows::Metadata),
            "cas" => {
                let condition = Condition::from_cas(index.0);
                (
                    Step::PutIf {
                        key,
                        value,
                        flags,
                        condition,
                    },
                    Shows::Metadata,
                )
            }
            "lock" => (
                Step::Acquire {
                    key,
                    value,
                    flags,
                    session,
                },
                Shows::Metadata,
            ),
            "unlock" => (
                Step::Release {
                    key,
                    value,
                    flags,
                    session,
                },
                Shows::Metadata,
            ),
            "get" => (Step::Get { key }, Shows::Values),
            "get-or-empty" => (Step::GetOrEmpty { key }, Shows::ValueOrEmpty),
            "get-tree" => (Step::List { prefix: key }, Shows::Values),
            "check-index" => (Step::CheckIndex { key, index }, Shows::Metadata),
            "check-session" => (Step::CheckSession { key, session }, Shows::Metadata),
            "check-not-exists" => (Step::CheckAbsent { key }, Shows::Nothing),
            "delete" => (Step::Delete { key }, Shows::Nothing),
            "delete-cas" => (Step::DeleteIf { key, index }, Shows::Nothing),
            "delete-tree" => (Step::DeletePrefix { prefix: key }, Shows::Nothing),
            _ => return Err(ApiError::bad_request(format!("unknown KV verb {verb:?}"))),
        };
        Ok(Self {
            step,
            key: touched,
            shows,
        })
    }

    /// Whether it changes keys.
    pub(super) fn writes(&self) -> bool {
        !matches!(
            self.step,
            Step::Get { .. }
                | Step::GetOrEmpty { .. }
                | Step::List { .. }
                | Step::CheckIndex { .. }
                | Step::CheckSession { .. }
                | Step::CheckAbsent { .. }
        )
    }

    /// Carries it out: what it shows, or why it failed.
    ///
    /// # Errors
    /// The state could not be read.
    pub(super) fn run(
        &self,
        tx: &mut Tx<'_>,
        namespace: &str,
    ) -> Result<Result<Vec<Entry>, String>, WriteError> {
        let mut entries = match txn::run(tx, namespace, &self.step) {
            Ok(entries) => entries,
            Err(StepError::Kv(KvError::State(error))) => return Err(error),
            Err(error) => return Ok(Err(what(error))),
        };
        match (&self.step, self.shows) {
            (_, Shows::Nothing) => entries.clear(),
            (Step::CheckIndex { key, .. } | Step::CheckSession { key, .. }, _) => {
                entries.extend(kv::get(tx, namespace, key)?);
            }
            (Step::GetOrEmpty { key }, _) if entries.is_empty() => entries.push(nothing(key)),
            _ => {}
        }
        Ok(Ok(entries))
    }
}

/// What stands for a key that does not exist.
fn nothing(key: &str) -> Entry {
    Entry {
        key: key.to_owned(),
        value: Vec::new(),
        flags: 0,
        lock_index: 0,
        session: None,
        create_index: Revision(0),
        modify_index: Revision(0),
    }
}

/// Why an operation failed, in Consul's words where clients look for them.
fn what(error: StepError) -> String {
    match error {
        StepError::Kv(KvError::NoSession(session)) if session.is_empty() => {
            "missing session".to_owned()
        }
        StepError::Kv(KvError::NoSession(session)) => format!("invalid session {session:?}"),
        error => error.to_string(),
    }
}
