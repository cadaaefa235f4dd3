//! Takes batches from a queue and sends them until they are delivered or given up.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time};
use tracing::{info, warn};

use super::{
    outcome::{Outcome, Policy, chance, reason},
    queue::{Queue, Sender},
};
use crate::telemetry::ExporterMetrics;

/// One kind of back end.
pub(super) trait Backend: Send + Sync + 'static {
    /// What is queued.
    type Item: Send + 'static;
    /// An encoded batch; it is encoded once and may be sent several times.
    type Request: Send + Sync;

    /// Bytes of an item in a request, roughly.
    fn weight(item: &Self::Item) -> usize;

    /// Turns a batch into a request.
    fn encode(&mut self, batch: &[Self::Item]) -> Self::Request;

    /// Sends a request once.
    fn send(&self, request: &Self::Request) -> impl Future<Output = Outcome> + Send;
}

/// A running exporter.
pub struct ExporterHandle<T> {
    queue: Arc<Queue<T>>,
    worker: JoinHandle<()>,
}

impl<T> fmt::Debug for ExporterHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExporterHandle")
            .field(&self.queue.metrics.name())
            .finish()
    }
}

/// Starts the worker of a back end on the current runtime.
pub(super) fn start<B: Backend>(
    backend: B,
    capacity: usize,
    policy: Policy,
    metrics: ExporterMetrics,
) -> ExporterHandle<B::Item> {
    let queue = Arc::new(Queue::new(capacity, B::weight, policy, metrics));
    let worker = tokio::spawn(run(backend, Arc::clone(&queue)));
    ExporterHandle { queue, worker }
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

async fn run<B: Backend>(mut backend: B, queue: Arc<Queue<B::Item>>) {
    let mut healthy = true;
    loop {
        let batch = queue.next_batch().await;
        if batch.is_empty() {
            return;
        }
        let request = backend.encode(&batch);
        let items = batch.len();
        drop(batch);
        let outcomes = deliver(&backend, &request, items, &queue, &mut healthy).await;
        queue.settle(&outcomes);
    }
}

/// Tries a request until it is taken over, refused, or tried too often.
async fn deliver<B: Backend>(
    backend: &B,
    request: &B::Request,
    items: usize,
    queue: &Queue<B::Item>,
    healthy: &mut bool,
) -> Vec<(&'static str, usize)> {
    let (metrics, policy) = (&queue.metrics, queue.policy());
    let exporter = metrics.name();
    for attempt in 1..=policy.attempts {
        match backend.send(request).await {
            Outcome::Delivered { rejected, message } => {
                metrics.request("ok");
                if !std::mem::replace(healthy, true) {
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
                if std::mem::replace(healthy, false) {
                    warn!(
                        exporter,
                        message, "back end does not take data, trying again"
                    );
                }
                if attempt < policy.attempts {
                    time::sleep(policy.pause(attempt, after, chance())).await;
                }
            }
        }
    }
    warn!(
        exporter,
        items, "gave up a batch after {} attempts", policy.attempts
    );
    vec![(reason::ATTEMPTS, items)]
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::telemetry::Telemetry;

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
        let handle = start(backend, capacity, policy, telemetry.own().exporter("test"));
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
}
