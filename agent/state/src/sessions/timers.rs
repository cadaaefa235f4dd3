//! When sessions end. In memory only: a renewal is not written, and after a restart each session has a
//! whole TTL again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::list;
use crate::{EngineError, Rows};

/// Deadlines of all sessions that have one.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    deadlines: HashMap<String, Timer>,
}

#[derive(Debug)]
struct Timer {
    ttl: Duration,
    deadline: Instant,
}

impl Timers {
    /// Gives every session a whole TTL from `now` on.
    pub(crate) fn load(rows: &impl Rows, now: Instant) -> Result<Self, EngineError> {
        let mut timers = Self::default();
        for session in list(rows)? {
            if let Some(ttl) = session.ttl {
                timers.arm(session.id, ttl, now);
            }
        }
        Ok(timers)
    }

    pub(crate) fn arm(&mut self, id: String, ttl: Duration, now: Instant) {
        let deadline = now + ttl;
        self.deadlines.insert(id, Timer { ttl, deadline });
    }

    pub(crate) fn disarm(&mut self, id: &str) {
        self.deadlines.remove(id);
    }

    /// Moves a deadline; `false` when there is none.
    pub(crate) fn renew(&mut self, id: &str, now: Instant) -> bool {
        let Some(timer) = self.deadlines.get_mut(id) else {
            return false;
        };
        timer.deadline = now + timer.ttl;
        true
    }

    /// Sessions whose deadline has passed. They stay until they are disarmed.
    pub(crate) fn expired(&self, now: Instant) -> Vec<String> {
        let due = self.deadlines.iter();
        due.filter(|(_, timer)| timer.deadline <= now)
            .map(|(id, _)| id.clone())
            .collect()
    }
}
