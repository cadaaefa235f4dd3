//! Takes batches from a queue and sends them until they are delivered or given up.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{self, sleep},
};
use tracing::{info, warn};

use super::{
    destination::{Destination, Ready, Replacement},
    outcome::{Outcome, chance, reason},
    queue::{Queue, Sender},
};
use crate::telemetry::ExporterMetrics;

/// A running exporter.
pub struct ExporterHandle<T> {
    queue: Arc<Queue<T>>,
    replacement: Arc<Replacement<T>>,
    worker: JoinHandle<()>,
}

impl<T> fmt::Debug for ExporterHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExporterHandle")
            .field(&self.queue.metrics.name())
            .finish()
    }
}

impl<T: Send + Sync + 'static> ExporterHandle<T> {
    /// Starts the worker of a back end on the current runtime.
    pub(super) fn start(ready: Ready<T>, metrics: ExporterMetrics) -> Self {
        let Ready {
            to,
            destination,
            capacity,
            weight,
            policy,
        } = ready;
        info!(exporter = metrics.name(), to, "sending");
        let queue = Arc::new(Queue::new(capacity, weight, policy, metrics));
        let replacement = Arc::new(Replacement::new());
        let worker = Worker {
            queue: Arc::clone(&queue),
            destination,
            replacement: Arc::clone(&replacement),
            is_healthy: true,
        };
        Self {
            queue,
            replacement,
            worker: tokio::spawn(worker.run()),
        }
    }

    /// Sends everything that is not delivered yet, and all that follows, to another back end. A request that
    /// is under way ends first, so that nothing is sent twice because of it.
    pub(super) fn replace(&self, ready: Ready<T>) {
        info!(
            exporter = self.queue.metrics.name(),
            to = ready.to,
            "sending"
        );
        self.queue.set_capacity(ready.capacity);
        self.replacement.put(ready.destination);
    }
}

impl<T> ExporterHandle<T> {
    /// A way in for the fan-out.
    #[must_use]
    pub fn sender(&self) -> Sender<T> {
        Sender::new(Arc::clone(&self.queue))
    }

    /// Sends what is queued, then stops; what is left at the deadline is dropped and counted.
    pub async fn shutdown(mut self, deadline: Duration) {
        self.queue.close();
        if time::timeout(deadline, &mut self.worker).await.is_err() {
            self.worker.abort();
            // Waits until the worker has really stopped; its result is that it was cancelled.
            drop((&mut self.worker).await);
        }
        let left = self.queue.abandon();
        if left > 0 {
            warn!(
                exporter = self.queue.metrics.name(),
                left, "stopped before everything was sent"
            );
        }
    }
}

struct Worker<T> {
    queue: Arc<Queue<T>>,
    destination: Box<dyn Destination<T>>,
    replacement: Arc<Replacement<T>>,
    is_healthy: bool,
}

impl<T: Send + Sync + 'static> Worker<T> {
    async fn run(mut self) {
        loop {
            let batch = self.queue.next_batch().await;
            if batch.is_empty() {
                return;
            }
            let outcomes = self.deliver(&batch).await;
            self.queue.settle(&outcomes);
        }
    }

    /// Tries a batch until it is taken over, refused, or tried too often.
    async fn deliver(&mut self, batch: &[T]) -> Vec<(&'static str, usize)> {
        let queue = Arc::clone(&self.queue);
        let (metrics, policy, items) = (&queue.metrics, queue.policy(), batch.len());
        let exporter = metrics.name();
        self.take_replacement();
        self.destination.load(batch);
        let mut attempt = 1;
        while attempt <= policy.attempts {
            match self.destination.send().await {
                Outcome::Delivered { rejected, message } => {
                    metrics.request("ok");
                    if !std::mem::replace(&mut self.is_healthy, true) {
                        info!(exporter, "back end takes data again");
                    }
                    let rejected = rejected.min(items);
                    if rejected > 0 || !message.is_empty() {
                        warn!(
                            exporter,
                            rejected, message, "back end has something to say about a batch"
                        );
                    }
                    return vec![
                        (reason::SENT, items - rejected),
                        (reason::REJECTED, rejected),
                    ];
                }
                Outcome::Refused { message } => {
                    metrics.request("refused");
                    warn!(exporter, items, message, "back end refused a batch");
                    return vec![(reason::REFUSED, items)];
                }
                Outcome::Retry { after, message } => {
                    metrics.request("retry");
                    if std::mem::replace(&mut self.is_healthy, false) {
                        warn!(
                            exporter,
                            message, "back end does not take data, trying again"
                        );
                    }
                    if attempt < policy.attempts {
                        self.pause(policy.pause(attempt, after, chance())).await;
                    }
                }
            }
            attempt += 1;
            if self.take_replacement() {
                self.destination.load(batch);
                attempt = 1;
            }
        }
        warn!(
            exporter,
            items, "gave up a batch after {} attempts", policy.attempts
        );
        vec![(reason::ATTEMPTS, items)]
    }

    /// Waits before the next attempt, or until there is somebody else to try.
    async fn pause(&self, length: Duration) {
        tokio::select! {
            () = sleep(length) => {}
            () = self.replacement.news.notified() => {}
        }
    }

    /// Takes the destination that was put in meanwhile, if there is one.
    fn take_replacement(&mut self) -> bool {
        match self.replacement.take() {
            Some(destination) => {
                self.destination = destination;
                self.is_healthy = true;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::{
        export::{destination::Backend, outcome::Policy},
        telemetry::Telemetry,
    };

    /// Answers from a list, then for ever with its last entry.
    struct Scripted {
        answers: Vec<fn() -> Outcome>,
        calls: Arc<AtomicUsize>,
        delivered: Arc<Mutex<Vec<u64>>>,
    }

    impl Backend for Scripted {
        type Item = u64;
        type Request = Vec<u64>;

        fn weight(_: &u64) -> usize {
            1
        }

        fn encode(&mut self, batch: &[u64]) -> Vec<u64> {
            batch.to_vec()
        }

        async fn send(&self, request: &Vec<u64>) -> Outcome {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            let outcome = self.answers[call.min(self.answers.len() - 1)]();
            if matches!(outcome, Outcome::Delivered { .. }) {
                let mut delivered = self.delivered.lock().expect("not poisoned");
                delivered.extend(request);
            }
            outcome
        }
    }

    fn ok() -> Outcome {
        Outcome::Delivered {
            rejected: 0,
            message: String::new(),
        }
    }

    fn retry() -> Outcome {
        Outcome::Retry {
            after: None,
            message: "busy".to_owned(),
        }
    }

    fn fast() -> Policy {
        Policy {
            batch: 10,
            linger: Duration::from_millis(5),
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(2),
            attempts: 3,
            ..Policy::default()
        }
    }

    struct Run {
        telemetry: Telemetry,
        delivered: Arc<Mutex<Vec<u64>>>,
        calls: Arc<AtomicUsize>,
        handle: ExporterHandle<u64>,
    }

    fn run_with(answers: Vec<fn() -> Outcome>, capacity: usize, policy: Policy) -> Run {
        let telemetry = Telemetry::new();
        let (delivered, calls) = (Arc::default(), Arc::default());
        let backend = Scripted {
            answers,
            calls: Arc::clone(&calls),
            delivered: Arc::clone(&delivered),
        };
        let metrics = telemetry.own().exporter("test");
        let handle = ExporterHandle::start(
            Ready::new(backend, String::new(), capacity, policy),
            metrics,
        );
        Run {
            telemetry,
            delivered,
            calls,
            handle,
        }
    }

    /// Items by outcome; asserts that every item is accounted for.
    fn outcomes(telemetry: &Telemetry) -> Vec<(String, u64)> {
        let totals = telemetry.own().totals();
        let prefix = "golens_export_items_total{exporter=\"test\",outcome=\"";
        let items: Vec<_> = totals
            .iter()
            .filter_map(|(name, count)| {
                let outcome = name.strip_prefix(prefix)?.trim_end_matches("\"}");
                Some((outcome.to_owned(), *count))
            })
            .collect();
        let out: u64 = items.iter().map(|(_, count)| count).sum();
        let waiting = totals["golens_export_queued{exporter=\"test\"}"];
        assert_eq!(
            totals["golens_export_accepted_total{exporter=\"test\"}"],
            out + waiting,
            "{items:?}"
        );
        items
    }

    #[tokio::test]
    async fn a_failed_batch_is_sent_again_in_order() {
        let run = run_with(vec![retry, retry, ok], 100, fast());
        for item in 0..25 {
            run.handle.sender().try_send(item);
        }
        run.handle.shutdown(Duration::from_secs(5)).await;
        let expected: Vec<u64> = (0..25).collect();
        assert_eq!(*run.delivered.lock().expect("not poisoned"), expected);
        assert_eq!(outcomes(&run.telemetry), [("sent".to_owned(), 25)]);
    }

    #[tokio::test]
    async fn a_dead_back_end_costs_a_bounded_queue_and_every_drop_is_counted() {
        let policy = Policy {
            first_pause: Duration::from_secs(60),
            longest_pause: Duration::from_secs(60),
            ..fast()
        };
        let run = run_with(vec![retry], 50, policy);
        for item in 0..1_000 {
            run.handle.sender().try_send(item);
            if item % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let waiting = run.telemetry.own().totals()["golens_export_queued{exporter=\"test\"}"];
        assert!(waiting <= 50 + 10, "{waiting} items are held");
        outcomes(&run.telemetry);
        let started = time::Instant::now();
        run.handle.shutdown(Duration::from_millis(50)).await;
        assert!(started.elapsed() < Duration::from_secs(5));
        let items = outcomes(&run.telemetry);
        let names: Vec<_> = items.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["queue_full", "shutdown"]);
        assert_eq!(items.iter().map(|(_, count)| count).sum::<u64>(), 1_000);
    }

    #[tokio::test]
    async fn a_batch_is_given_up_after_its_attempts() {
        let run = run_with(vec![retry], 100, fast());
        run.handle.sender().try_send(1);
        run.handle.shutdown(Duration::from_secs(5)).await;
        assert_eq!(run.calls.load(Ordering::Relaxed), 3);
        assert_eq!(
            outcomes(&run.telemetry),
            [("attempts_exhausted".to_owned(), 1)]
        );
    }

    #[tokio::test]
    async fn a_refused_batch_is_not_sent_again() {
        let refuse = || Outcome::Refused {
            message: "400".to_owned(),
        };
        let run = run_with(vec![refuse], 100, fast());
        run.handle.sender().try_send(1);
        run.handle.shutdown(Duration::from_secs(5)).await;
        assert_eq!(run.calls.load(Ordering::Relaxed), 1);
        assert_eq!(outcomes(&run.telemetry), [("refused".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn partial_success_counts_both_parts() {
        let partly = || Outcome::Delivered {
            rejected: 2,
            message: "two are too old".to_owned(),
        };
        let run = run_with(vec![partly], 100, fast());
        for item in 0..5 {
            run.handle.sender().try_send(item);
        }
        run.handle.shutdown(Duration::from_secs(5)).await;
        let expected = [("rejected".to_owned(), 2), ("sent".to_owned(), 3)];
        assert_eq!(outcomes(&run.telemetry), expected);
    }

    #[tokio::test]
    async fn another_back_end_takes_over_what_was_not_delivered() {
        let policy = Policy {
            first_pause: Duration::from_secs(3_600),
            longest_pause: Duration::from_secs(3_600),
            ..fast()
        };
        let run = run_with(vec![ok, retry], 1_000, policy.clone());
        let calls = |count: usize| {
            let seen = Arc::clone(&run.calls);
            async move {
                while seen.load(Ordering::Relaxed) < count {
                    tokio::task::yield_now().await;
                }
            }
        };
        for item in 0..10 {
            run.handle.sender().try_send(item);
        }
        calls(1).await;
        for item in 10..35 {
            run.handle.sender().try_send(item);
        }
        // The second batch was tried, and waits an hour for its next attempt.
        calls(2).await;
        let delivered = Arc::default();
        let other = Scripted {
            answers: vec![ok],
            calls: Arc::default(),
            delivered: Arc::clone(&delivered),
        };
        run.handle
            .replace(Ready::new(other, String::new(), 1_000, policy));
        run.handle.shutdown(Duration::from_secs(5)).await;
        let here = run.delivered.lock().expect("not poisoned").clone();
        let there = delivered.lock().expect("not poisoned").clone();
        assert_eq!(here, (0..10).collect::<Vec<u64>>());
        assert_eq!(there, (10..35).collect::<Vec<u64>>());
        assert_eq!(outcomes(&run.telemetry), [("sent".to_owned(), 35)]);
    }
}
