//! The breaker as calls to etcd meet it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::degrade::{Breaker, Outcome, Shared};

/// The breaker, and where it is shown.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    breaker: Arc<Mutex<Breaker>>,
    shared: Arc<Shared>,
}

impl Gate {
    pub(super) fn new(breaker: Breaker, shared: Arc<Shared>) -> Self {
        let breaker = Arc::new(Mutex::new(breaker));
        Self { breaker, shared }
    }

    /// Whether calls go out at all.
    pub(super) fn is_open(&self) -> bool {
        let mut breaker = self.breaker();
        let is_open = breaker.is_open(Instant::now());
        self.show(&breaker);
        is_open
    }

    /// Whether a call may go out, which is to be followed by [`record`](Self::record).
    pub(super) fn allow(&self) -> bool {
        let mut breaker = self.breaker();
        let allowed = breaker.allow(Instant::now());
        self.show(&breaker);
        allowed
    }

    pub(super) fn half_open(&self) {
        let mut breaker = self.breaker();
        breaker.half_open();
        self.show(&breaker);
    }

    pub(super) fn record(&self, outcome: Outcome) {
        let now = Instant::now();
        if outcome == Outcome::Success {
            self.shared.contact(now);
        }
        let mut breaker = self.breaker();
        breaker.record(outcome, now);
        self.show(&breaker);
    }

    fn show(&self, breaker: &Breaker) {
        self.shared.update(|status| {
            status.breaker = breaker.state();
            status.breaker_opened = breaker.opened();
        });
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
