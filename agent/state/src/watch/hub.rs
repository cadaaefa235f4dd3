//! The meeting place of those who change rows and those who wait for it.

use std::{
    fmt,
    future::poll_fn,
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use tokio::time::timeout_at;

use super::{Topic, release::Shared, slot::Slot};
use crate::Revision;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The topic changed; its index is now at least this.
    Changed(Revision),
    /// The deadline passed.
    TimedOut,
}

/// Wakes those who wait for a topic. A waiter costs about 150 bytes, whatever happens while it waits;
/// one that is slow finds the newest state, never a queue.
pub struct Hub {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Hub {
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new()
            .name("state-watch".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.run()
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Waits until the index of `topic` exceeds `seen`, or until `deadline`. `current` tells the index now;
    /// it is asked once, after the waiter was put on the list, so that no change is missed between.
    ///
    /// # Errors
    /// Those of `current`.
    pub async fn wait<E>(
        &self,
        topic: &Topic,
        seen: Revision,
        deadline: Instant,
        current: impl FnOnce() -> Result<Revision, E>,
    ) -> Result<Wake, E> {
        let mut place = self.subscribe(topic.clone(), seen);
        let now = current()?;
        if now > seen {
            return Ok(Wake::Changed(now));
        }
        Ok(match timeout_at(deadline.into(), place.news(seen)).await {
            Ok(Some(revision)) => Wake::Changed(revision),
            // The hub was closed, or the time is up.
            Ok(None) | Err(_) => Wake::TimedOut,
        })
    }

    /// Takes a place on the list of `topic` for whoever waits for one change after the other: between two
    /// of them nothing is given up and taken again. To be taken before the first look at what `topic` is
    /// about, so that no change is missed; `seen` is known already.
    pub fn subscribe(&self, topic: Topic, seen: Revision) -> Subscription {
        let slot = Arc::new(Slot::new(seen));
        let id = self.shared.lock().lists.enter(&topic, Arc::clone(&slot));
        Subscription {
            shared: Arc::clone(&self.shared),
            topic,
            id,
            slot,
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().lists.waiting()
    }

    /// Wakes those who wait for a row with one of these full keys.
    pub(crate) fn publish<'a>(&self, changes: impl Iterator<Item = (&'a [u8], Revision)>) {
        let now = Instant::now();
        let mut any = false;
        let mut state = self.shared.lock();
        for (full, revision) in changes {
            any |= state.lists.publish(full, revision, now);
        }
        drop(state);
        if any {
            self.shared.notify();
        }
    }

    /// Wakes everybody.
    pub(crate) fn publish_all(&self, revision: Revision) {
        self.shared
            .lock()
            .lists
            .publish_all(revision, Instant::now());
        self.shared.notify();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported by its own hook.
            drop(thread.join());
        }
    }
}

/// A place on the list of a topic, given back when it is dropped.
pub struct Subscription {
    shared: Arc<Shared>,
    topic: Topic,
    id: u64,
    slot: Arc<Slot>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, .. } = self;
        out.debug_struct("Subscription")
            .field("topic", topic)
            .finish_non_exhaustive()
    }
}

impl Subscription {
    /// Waits until the topic changed after `seen`. Returns the revision of a change, or `None` when the hub
    /// was closed. Changes that follow each other fast are told as one.
    pub async fn news(&mut self, seen: Revision) -> Option<Revision> {
        poll_fn(|context| self.slot.poll(seen, context)).await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.lock().lists.leave(&self.topic, self.id);
    }
}
