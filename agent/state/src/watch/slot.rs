//! What one waiter was told.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;

use crate::Revision;

/// Told once nothing more will be told.
const CLOSED: Revision = Revision(u64::MAX);

/// Holds the newest revision that a waiter knows of, and nothing of those before.
pub(super) struct Slot {
    told: AtomicU64,
    waker: AtomicWaker,
}

impl Slot {
    /// A waiter that knows the state of `seen`.
    pub(super) fn new(seen: Revision) -> Self {
        Self {
            told: AtomicU64::new(seen.0),
            waker: AtomicWaker::new(),
        }
    }

    pub(super) fn told(&self) -> Revision {
        Revision(self.told.load(Ordering::Acquire))
    }

    /// Tells of a change, and wakes the waiter if it is news.
    pub(super) fn tell(&self, revision: Revision) {
        if self.told.fetch_max(revision.0, Ordering::AcqRel) < revision.0 {
            self.waker.wake();
        }
    }

    /// Ends the wait.
    pub(super) fn close(&self) {
        self.tell(CLOSED);
    }

    /// Ready with what was told beyond `seen`, or with `None` when nothing will be.
    pub(super) fn poll(&self, seen: Revision, context: &Context<'_>) -> Poll<Option<Revision>> {
        // The waiter may have seen by itself what it was not told yet.
        self.told.fetch_max(seen.0, Ordering::AcqRel);
        self.waker.register(context.waker());
        match self.told() {
            CLOSED => Poll::Ready(None),
            told if told > seen => Poll::Ready(Some(told)),
            _ => Poll::Pending,
        }
    }
}
