//! What became of one request to a back end.

use std::time::Duration;

/// The answer of a back end, in the terms the worker acts on.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// Taken over, but for `rejected` items.
    Delivered {
        rejected: usize,
        /// What the back end says about it, empty when it says nothing.
        message: String,
    },
    /// Not taken over, and worth another try.
    Retry {
        /// How long the back end asks to wait.
        after: Option<Duration>,
        message: String,
    },
    /// Never going to be taken over.
    Refused { message: String },
}

/// Why items left without having been delivered, as the metric spells it.
pub(super) mod reason {
    /// Delivered.
    pub(in crate::export) const SENT: &str = "sent";
    /// The queue was full and these were the oldest.
    pub(in crate::export) const QUEUE_FULL: &str = "queue_full";
    /// The back end will never take the request.
    pub(in crate::export) const REFUSED: &str = "refused";
    /// The back end took the request but not these items.
    pub(in crate::export) const REJECTED: &str = "rejected";
    /// Every attempt failed.
    pub(in crate::export) const ATTEMPTS: &str = "attempts_exhausted";
    /// The agent stopped before they were delivered.
    pub(in crate::export) const SHUTDOWN: &str = "shutdown";
}

/// When to send, and how to try again.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// Items in one request at most.
    pub batch: usize,
    /// Bytes in one request, roughly; a single larger item still goes out alone.
    pub batch_bytes: usize,
    /// Bytes that wait at most, roughly; the oldest items go first.
    pub queue_bytes: usize,
    /// How long the first item of a batch waits for others.
    pub linger: Duration,
    /// First pause after a failure; each further one is twice as long.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// Longest pause that a back end can ask for.
    pub longest_asked: Duration,
    /// Tries per request.
    pub attempts: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            batch: 512,
            batch_bytes: 1 << 20,
            queue_bytes: 32 << 20,
            linger: Duration::from_secs(1),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(30),
            longest_asked: Duration::from_secs(120),
            attempts: 10,
        }
    }
}

impl Policy {
    /// The pause after the given failed attempt, counted from 1.
    ///
    /// `chance` spreads pauses over the upper half, so that the agents of a cluster do not come back
    /// at the same moment. What a back end asks for is the least.
    pub(super) fn pause(&self, attempt: u32, asked: Option<Duration>, chance: u64) -> Duration {
        let doubled = 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let full = self
            .first_pause
            .saturating_mul(doubled)
            .min(self.longest_pause);
        let spread = (chance % 1_000) as f64 / 1_000.0;
        match asked {
            Some(asked) => asked.min(self.longest_asked) + self.first_pause.mul_f64(spread),
            None => full.mul_f64(0.5 + spread / 2.0),
        }
    }
}

/// A number that differs from call to call, good enough to spread pauses.
pub(super) fn chance() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_are_spread() {
        let policy = Policy::default();
        let full = |attempt| policy.pause(attempt, None, 999);
        assert!(full(1) <= policy.first_pause);
        assert!(full(2) > full(1) && full(3) > full(2));
        assert!(full(100) <= policy.longest_pause);
        assert_eq!(policy.pause(1, None, 0), policy.first_pause / 2);
    }

    #[test]
    fn a_back_end_is_not_asked_again_before_it_said() {
        let policy = Policy::default();
        let asked = Duration::from_secs(7);
        assert!(policy.pause(1, Some(asked), 0) >= asked);
        assert!(policy.pause(1, Some(asked), 999) <= asked + policy.first_pause);
        let forever = Duration::from_secs(86_400);
        assert!(policy.pause(1, Some(forever), 0) <= policy.longest_asked);
    }
}
