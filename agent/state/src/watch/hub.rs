//! The meeting place of those who change rows and those who wait for it.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use tokio::{sync::oneshot, time::timeout_at};

use super::{Topic, lists::Signal, release::Shared};
use crate::Revision;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The topic changed; its index is now at least this.
    Changed(Revision),
    /// The deadline passed.
    TimedOut,
}

/// Wakes those who wait for a topic. A waiter costs about 200 bytes, whatever happens while it waits;
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
        let (signal, woken) = oneshot::channel();
        let _place = Place::take(&self.shared, topic, seen, signal);
        let now = current()?;
        if now > seen {
            return Ok(Wake::Changed(now));
        }
        Ok(match timeout_at(deadline.into(), woken).await {
            Ok(Ok(revision)) => Wake::Changed(revision),
            // The hub was closed, or the time is up.
            Ok(Err(_)) | Err(_) => Wake::TimedOut,
        })
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

/// A waiter's place on a list; given back when the waiter goes, for whatever reason.
struct Place<'a> {
    shared: &'a Shared,
    topic: &'a Topic,
    id: u64,
}

impl<'a> Place<'a> {
    fn take(shared: &'a Shared, topic: &'a Topic, seen: Revision, signal: Signal) -> Self {
        let id = shared.lock().lists.enter(topic, seen, signal);
        Self { shared, topic, id }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.lock().lists.leave(self.topic, self.id);
    }
}
