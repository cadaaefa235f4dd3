//! Sessions as rows.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::held;
use crate::{EngineError, Revision, Rows, Table, Topic, Tx, WriteError, random_uuid};

/// What becomes of a session's locks when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Behavior {
    /// They are open; the keys stay.
    #[default]
    Release,
    /// The keys are deleted.
    Delete,
}

/// A session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// A UUID; given by [`create`].
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Namespace of the keys it locks.
    pub namespace: String,
    /// Node that it belongs to.
    pub node: String,
    /// Checks of the node that end it when critical.
    pub node_checks: Vec<String>,
    /// Checks of instances that end it when critical.
    pub service_checks: Vec<String>,
    /// How long its locks stay closed after an end from outside.
    pub lock_delay: Duration,
    /// What becomes of its locks.
    pub behavior: Behavior,
    /// It ends this long after the last renewal, at the earliest; never without.
    pub ttl: Option<Duration>,
    /// Revision that made it; given by [`create`].
    #[serde(skip)]
    pub create_index: Revision,
    /// Revision of the last change; given by [`create`].
    #[serde(skip)]
    pub modify_index: Revision,
}

/// Why a session was not made.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The TTL is outside of what is taken.
    #[error("the TTL {0:?} is not between 10s and 24h")]
    Ttl(Duration),
    /// The lock delay is outside of what is taken.
    #[error("the lock delay {0:?} is longer than 60s")]
    LockDelay(Duration),
    /// The system has no random numbers to give.
    #[error("no random numbers for an id")]
    Random,
    /// The state could not be read or written.
    #[error(transparent)]
    State(#[from] WriteError),
}

impl From<EngineError> for SessionError {
    fn from(error: EngineError) -> Self {
        Self::State(error.into())
    }
}

const SHORTEST_TTL: Duration = Duration::from_secs(10);
const LONGEST_TTL: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Makes a session; its id and indexes are given here. Returns it as stored.
///
/// # Errors
/// When TTL or lock delay are out of range.
pub fn create(tx: &mut Tx<'_>, mut session: Session) -> Result<Session, SessionError> {
    if let Some(ttl) = session.ttl
        && !(SHORTEST_TTL..=LONGEST_TTL).contains(&ttl)
    {
        return Err(SessionError::Ttl(ttl));
    }
    if session.lock_delay > LONGEST_DELAY {
        return Err(SessionError::LockDelay(session.lock_delay));
    }
    session.id = random_uuid().ok_or(SessionError::Random)?;
    session.create_index = tx.revision();
    session.modify_index = tx.revision();
    let row = serde_json::to_vec(&session).map_err(|error| EngineError::Other {
        reason: error.to_string(),
    })?;
    tx.put(Table::SESSIONS, session.id.as_bytes(), &row);
    for check in session.checks() {
        tx.put(Table::SESSION_CHECKS, &check_key(check, &session.id), &[]);
    }
    if let Some(ttl) = session.ttl {
        let id = session.id.clone();
        tx.on_commit_timers(move |timers| timers.arm(id, ttl, Instant::now()));
    }
    Ok(session)
}

/// One session.
///
/// # Errors
/// When the state cannot be read.
pub fn get(rows: &(impl Rows + ?Sized), id: &str) -> Result<Option<Session>, EngineError> {
    let record = rows.get(Table::SESSIONS, id.as_bytes())?;
    record
        .map(|record| decode(id, record.revision, &record.payload))
        .transpose()
}

/// All sessions, ordered by id.
///
/// # Errors
/// When the state cannot be read.
pub fn list(rows: &(impl Rows + ?Sized)) -> Result<Vec<Session>, EngineError> {
    let mut sessions = Vec::new();
    rows.scan(Table::SESSIONS, &[], &mut |id, revision, row| {
        sessions.push(decode(&String::from_utf8_lossy(id), revision, row));
        ControlFlow::Continue(())
    })?;
    sessions.into_iter().collect()
}

/// What to wait for to see sessions come and go.
pub fn topic() -> Topic {
    Topic::prefix(Table::SESSIONS, &[])
}

/// Ends a session that its owner gives up; locks open at once. Returns whether it was there.
///
/// # Errors
/// When the state cannot be read.
pub fn destroy(tx: &mut Tx<'_>, id: &str) -> Result<bool, EngineError> {
    end(tx, id, false)
}

/// Ends a session from outside; locks stay closed for its lock delay. Returns whether it was there.
///
/// # Errors
/// When the state cannot be read.
pub fn invalidate(tx: &mut Tx<'_>, id: &str) -> Result<bool, EngineError> {
    end(tx, id, true)
}

/// Ends all sessions of `node` that depend on its check `check`, as it turned critical or is gone.
///
/// # Errors
/// When the state cannot be read.
pub fn invalidate_by_check(tx: &mut Tx<'_>, node: &str, check: &str) -> Result<(), EngineError> {
    let prefix = check_key(check, "");
    let mut dependent = Vec::new();
    tx.scan(Table::SESSION_CHECKS, &prefix, &mut |key, _, _| {
        let id = key.get(prefix.len()..).unwrap_or_default();
        dependent.push(String::from_utf8_lossy(id).into_owned());
        ControlFlow::Continue(())
    })?;
    for id in dependent {
        if get(tx, &id)?.is_some_and(|session| session.node == node) {
            end(tx, &id, true)?;
        }
    }
    Ok(())
}

/// Key of the row in [`Table::SESSION_CHECKS`]: check, 0, session.
fn check_key(check: &str, session: &str) -> Vec<u8> {
    [check.as_bytes(), &[0], session.as_bytes()].concat()
}

impl Session {
    /// Ids of all checks that it depends on.
    fn checks(&self) -> impl Iterator<Item = &str> {
        let checks = self.node_checks.iter().chain(&self.service_checks);
        checks.map(String::as_str)
    }
}

fn end(tx: &mut Tx<'_>, id: &str, with_delay: bool) -> Result<bool, EngineError> {
    let Some(session) = get(tx, id)? else {
        return Ok(false);
    };
    let delay = match with_delay {
        true => session.lock_delay,
        false => Duration::ZERO,
    };
    held::free(tx, &session, delay)?;
    for check in session.checks() {
        tx.delete(Table::SESSION_CHECKS, &check_key(check, &session.id))?;
    }
    let id = session.id;
    tx.delete(Table::SESSIONS, id.as_bytes())?;
    tx.on_commit_timers(move |timers| timers.disarm(&id));
    Ok(true)
}

fn decode(id: &str, revision: Revision, row: &[u8]) -> Result<Session, EngineError> {
    let session: Session = serde_json::from_slice(row).map_err(|error| EngineError::Corrupt {
        reason: format!("the row of session {id}: {error}"),
    })?;
    // A session is never changed, so the revision of its row is that of its birth.
    Ok(Session {
        create_index: revision,
        modify_index: revision,
        ..session
    })
}
