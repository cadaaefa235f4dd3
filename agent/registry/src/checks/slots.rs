//! How many checks run at one time, in all and against one destination.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns are given in the order they are asked for. A destination that is slow holds up its own checks,
/// and never takes more than its share of the whole.
pub(super) struct Slots {
    all: Arc<Semaphore>,
    per_destination: usize,
    /// Destinations that are in use right now.
    destinations: Arc<Destinations>,
}

#[derive(Default)]
struct Destinations(Mutex<HashMap<String, Arc<Semaphore>>>);

/// A turn; over when dropped.
pub(super) struct Slot {
    destinations: Arc<Destinations>,
    name: String,
    permits: Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)>,
}

impl Slots {
    pub(super) fn new(all: usize, per_destination: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all.max(1))),
            per_destination: per_destination.max(1),
            destinations: Arc::default(),
        }
    }

    /// Waits for a turn; `None` never happens, since the semaphores are never closed.
    pub(super) async fn take(&self, destination: &str) -> Option<Slot> {
        let own = Arc::clone(
            self.destinations
                .lock()
                .entry(destination.to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(self.per_destination))),
        );
        // Made before the wait: whoever stops waiting leaves nothing behind.
        let mut slot = Slot {
            destinations: Arc::clone(&self.destinations),
            name: destination.to_owned(),
            permits: None,
        };
        slot.permits = Some((own.acquire_owned().await.ok()?, None));
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        if let Some((_, permit)) = &mut slot.permits {
            *permit = Some(all);
        }
        Some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.permits = None;
        let mut destinations = self.destinations.lock();
        // Those who wait or run hold the semaphore as well.
        if destinations
            .get(&self.name)
            .is_some_and(|own| Arc::strong_count(own) == 1)
        {
            destinations.remove(&self.name);
        }
    }
}

impl Destinations {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Semaphore>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_destination_waits_for_itself_and_not_for_others() {
        let slots = Slots::new(3, 2);
        let first = slots.take("a").await;
        let second = slots.take("a").await;
        let third = slots.take("a");
        tokio::pin!(third);
        let is_ready = |poll: std::task::Poll<Option<Slot>>| poll.is_ready();
        assert!(!is_ready(futures_poll(third.as_mut()).await));
        let other = slots.take("b").await;
        assert!(other.is_some());
        // The whole is used up now, whoever asks.
        let fourth = slots.take("c");
        tokio::pin!(fourth);
        assert!(!is_ready(futures_poll(fourth.as_mut()).await));
        drop((first, second));
        let (third, fourth) = tokio::join!(third, fourth);
        assert!(third.is_some() && fourth.is_some());
        drop((third, fourth, other));
        assert!(slots.destinations.lock().is_empty());
    }

    /// Polls once.
    async fn futures_poll<F: Future>(
        mut future: std::pin::Pin<&mut F>,
    ) -> std::task::Poll<F::Output> {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await
    }
}
