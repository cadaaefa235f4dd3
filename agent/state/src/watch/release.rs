//! The thread that wakes waiters, so that no writer does.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{lists::Lists, slot::Slot};
use crate::Revision;

/// Up to this many waiters of one topic are woken at once.
const AT_ONCE: usize = 1_000;

/// More are woken in slices of this size ...
const SLICE: usize = 500;

/// ... with this much time between, so that 20,000 answers are not all built in the same instant.
const PAUSE: Duration = Duration::from_millis(1);

/// What the hub and its thread share.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) lists: Lists,
    closed: bool,
}

/// Waiters of one topic that are still to be woken.
struct Batch {
    revision: Revision,
    waiters: VecDeque<Arc<Slot>>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notify(&self) {
        self.news.notify_one();
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.lists.close();
        drop(state);
        self.notify();
    }

    /// Wakes waiters until the hub is closed.
    pub(super) fn run(&self) {
        let mut batches = VecDeque::new();
        while self.collect(&mut batches) {
            wake_a_slice(&mut batches);
        }
    }

    /// Waits for something to do and adds it to `batches`. `false` when the hub is closed.
    fn collect(&self, batches: &mut VecDeque<Batch>) -> bool {
        let mut state = self.lock();
        loop {
            if state.closed {
                return false;
            }
            let now = Instant::now();
            while let Some((revision, waiters)) = state.lists.take_due(now) {
                let waiters = waiters.into();
                batches.push_back(Batch { revision, waiters });
            }
            if batches.front().is_some() {
                return true;
            }
            state = match state.lists.next_due() {
                Some(due) => {
                    let until = due.saturating_duration_since(now);
                    let woken = self.news.wait_timeout(state, until);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let woken = self.news.wait(state);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }
}

/// Wakes the oldest batch, or a slice of it; the rest goes behind the others.
fn wake_a_slice(batches: &mut VecDeque<Batch>) {
    let Some(mut batch) = batches.pop_front() else {
        return;
    };
    let is_small = batch.waiters.len() <= AT_ONCE;
    let slice = if is_small { batch.waiters.len() } else { SLICE };
    for waiter in batch.waiters.drain(..slice) {
        waiter.tell(batch.revision);
    }
    if !batch.waiters.is_empty() {
        batches.push_back(batch);
        std::thread::sleep(PAUSE);
    }
}
