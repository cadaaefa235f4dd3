//! What is on disk and kept in memory beside: deadlines of sessions, and tokens.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{EngineError, Rows, sessions::Timers, tokens::Keyring};

/// Follows the rows with each commit.
#[derive(Debug)]
pub(crate) struct Live {
    timers: Mutex<Timers>,
    pub(crate) keyring: Keyring,
}

impl Live {
    /// All of it, from disk; every session has a whole TTL from `now` on.
    pub(super) fn load(rows: &impl Rows, now: Instant) -> Result<Self, EngineError> {
        Ok(Self {
            timers: Mutex::new(Timers::load(rows, now)?),
            keyring: Keyring::load(rows)?,
        })
    }

    /// Replaces all of it by what is on disk now.
    pub(super) fn reload(&self, rows: &impl Rows, now: Instant) -> Result<(), EngineError> {
        *self.timers() = Timers::load(rows, now)?;
        self.keyring.reload(rows)
    }

    pub(crate) fn timers(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
