//! Room for what is remembered of goroutines, shared by all profilers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Entries of goroutines that all profilers together may remember, 24 bytes each.
#[derive(Clone, Debug)]
pub struct Room(Arc<AtomicUsize>);

impl Room {
    /// Room for so many entries; clones share it.
    #[must_use]
    pub fn new(entries: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(entries)))
    }

    /// Takes up to so many entries; answers how many there were.
    pub(super) fn take(&self, wanted: usize) -> usize {
        let take = |free: usize| Some(free.saturating_sub(wanted));
        let before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        before.unwrap_or_else(|free| free).min(wanted)
    }

    pub(super) fn give_back(&self, entries: usize) {
        self.0.fetch_add(entries, Ordering::AcqRel);
    }
}
