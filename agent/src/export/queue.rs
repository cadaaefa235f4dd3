//! A bounded queue that never blocks and drops its oldest item when full.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time};

use super::outcome::{Policy, reason};
use crate::telemetry::ExporterMetrics;

/// What senders and the worker share.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    wake: Notify,
    /// Bytes of an item, roughly.
    weight: fn(&T) -> usize,
    policy: Policy,
    pub metrics: ExporterMetrics,
}

struct State<T> {
    items: VecDeque<T>,
    /// Items that may wait.
    capacity: usize,
    /// Bytes of `items`, roughly.
    bytes: usize,
    /// Items the worker has taken and not yet accounted for.
    in_flight: usize,
    closed: bool,
}

/// Puts items into an exporter's queue; never blocks.
pub struct Sender<T> {
    queue: Arc<Queue<T>>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender")
            .field(&self.queue.metrics.name())
            .finish()
    }
}

impl<T> Sender<T> {
    pub(super) fn new(queue: Arc<Queue<T>>) -> Self {
        Self { queue }
    }

    /// Queues an item; when the queue is full, the oldest one is dropped and counted.
    pub fn try_send(&self, item: T) {
        self.queue.push(item);
    }
}

impl<T> Queue<T> {
    pub(super) fn new(
        capacity: usize,
        weight: fn(&T) -> usize,
        policy: Policy,
        metrics: ExporterMetrics,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                // A queue without room would drop everything without a word in the configuration.
                capacity: capacity.max(1),
                bytes: 0,
                in_flight: 0,
                closed: false,
            }),
            wake: Notify::new(),
            weight,
            policy,
            metrics,
        }
    }

    fn push(&self, item: T) {
        self.metrics.accepted();
        let mut state = self.lock();
        if state.closed {
            drop(state);
            self.metrics.items(reason::SHUTDOWN, 1);
            return;
        }
        state.bytes += (self.weight)(&item);
        state.items.push_back(item);
        self.shrink(&mut state);
        let waiting = state.items.len();
        self.show(&state);
        drop(state);
        if waiting == 1 || waiting == self.policy.batch {
            self.wake.notify_one();
        }
    }

    /// Changes how many items may wait; the oldest go that are too many now.
    pub(super) fn set_capacity(&self, capacity: usize) {
        let mut state = self.lock();
        state.capacity = capacity.max(1);
        self.shrink(&mut state);
        self.show(&state);
    }

    fn shrink(&self, state: &mut State<T>) {
        while state.items.len() > state.capacity
            || (state.bytes > self.policy.queue_bytes && state.items.len() > 1)
        {
            if let Some(oldest) = state.items.pop_front() {
                state.bytes = state.bytes.saturating_sub((self.weight)(&oldest));
                self.metrics.items(reason::QUEUE_FULL, 1);
            }
        }
    }

    /// Waits for a full batch, or for what came within the linger time; empty once the queue is
    /// closed and nothing is left.
    pub(super) async fn next_batch(&self) -> Vec<T> {
        while self.is_empty_and_open() {
            self.wake.notified().await;
        }
        let deadline = time::Instant::now() + self.policy.linger;
        while !self.is_ready() {
            if time::timeout_at(deadline, self.wake.notified())
                .await
                .is_err()
            {
                break;
            }
        }
        self.take()
    }

    fn take(&self) -> Vec<T> {
        let mut state = self.lock();
        let mut bytes = 0;
        let fits = |item: &T| {
            bytes += (self.weight)(item);
            bytes <= self.policy.batch_bytes
        };
        let count = state
            .items
            .iter()
            .take(self.policy.batch)
            .take_while(fits_once(fits))
            .count();
        let batch: Vec<T> = state.items.drain(..count).collect();
        let taken: usize = batch.iter().map(self.weight).sum();
        state.bytes = state.bytes.saturating_sub(taken);
        state.in_flight = batch.len();
        batch
    }

    /// Says what became of the batch taken last.
    pub(super) fn settle(&self, outcomes: &[(&'static str, usize)]) {
        for (outcome, count) in outcomes {
            self.metrics.items(outcome, *count);
        }
        let mut state = self.lock();
        state.in_flight = 0;
        self.show(&state);
    }

    /// Lets the worker send what is queued and stop; nothing is taken in any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_one();
    }

    /// Counts everything that is left as dropped, once the worker has stopped.
    pub(super) fn abandon(&self) -> usize {
        let mut state = self.lock();
        let left = state.items.len() + state.in_flight;
        state.items.clear();
        state.bytes = 0;
        state.in_flight = 0;
        self.show(&state);
        drop(state);
        self.metrics.items(reason::SHUTDOWN, left);
        left
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    fn is_empty_and_open(&self) -> bool {
        let state = self.lock();
        state.items.is_empty() && !state.closed
    }

    fn is_ready(&self) -> bool {
        let state = self.lock();
        state.closed || state.items.len() >= self.policy.batch
    }

    fn show(&self, state: &State<T>) {
        self.metrics.queued(state.items.len() + state.in_flight);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the first item pass whatever its weight, so that a large one cannot block the queue.
fn fits_once<'a, T: 'a>(mut fits: impl FnMut(&T) -> bool) -> impl FnMut(&&'a T) -> bool {
    let mut first = true;
    move |item| fits(item) | std::mem::take(&mut first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    fn queue(capacity: usize, policy: Policy) -> (Telemetry, Arc<Queue<usize>>) {
        let telemetry = Telemetry::new();
        let metrics = telemetry.own().exporter("test");
        let queue = Arc::new(Queue::new(capacity, |bytes| *bytes, policy, metrics));
        (telemetry, queue)
    }

    #[test]
    fn a_full_queue_drops_its_oldest() {
        let (telemetry, queue) = queue(3, Policy::default());
        for item in 0..5 {
            queue.push(item);
        }
        assert_eq!(queue.take(), [2, 3, 4]);
        let totals = telemetry.own().totals();
        let dropped = "golens_export_items_total{exporter=\"test\",outcome=\"queue_full\"}";
        assert_eq!(totals[dropped], 2);
        assert_eq!(totals["golens_export_accepted_total{exporter=\"test\"}"], 5);
    }

    #[test]
    fn a_queue_that_is_made_shorter_drops_its_oldest() {
        let (telemetry, queue) = queue(5, Policy::default());
        for item in 0..5 {
            queue.push(item);
        }
        queue.set_capacity(2);
        queue.push(5);
        assert_eq!(queue.take(), [4, 5]);
        let dropped = "golens_export_items_total{exporter=\"test\",outcome=\"queue_full\"}";
        assert_eq!(telemetry.own().totals()[dropped], 4);
    }

    #[test]
    fn large_items_cannot_fill_the_memory() {
        let policy = Policy {
            queue_bytes: 100,
            ..Policy::default()
        };
        let (_telemetry, queue) = queue(1_000, policy);
        for item in [40, 41, 42, 500, 43, 44] {
            queue.push(item);
        }
        assert_eq!(queue.take(), [43, 44]);
        queue.push(7);
        assert_eq!(queue.lock().bytes, 7);
    }

    #[test]
    fn a_batch_ends_at_its_size_and_a_large_item_goes_alone() {
        let policy = Policy {
            batch: 3,
            batch_bytes: 100,
            ..Policy::default()
        };
        let (_telemetry, queue) = queue(100, policy);
        for item in [500, 40, 40, 40, 1, 1, 1, 1] {
            queue.push(item);
        }
        let batches: Vec<_> = (0..4).map(|_| queue.take()).collect();
        assert_eq!(
            batches,
            [vec![500], vec![40, 40], vec![40, 1, 1], vec![1, 1]]
        );
    }

    #[tokio::test]
    async fn a_closed_queue_hands_out_the_rest_and_then_nothing() {
        let (_telemetry, queue) = queue(10, Policy::default());
        queue.push(1);
        queue.close();
        queue.push(2);
        assert_eq!(queue.next_batch().await, [1]);
        assert!(queue.next_batch().await.is_empty());
    }
}
