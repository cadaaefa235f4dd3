//! Readings of the Go runtime become gauges, counters and the pause histogram.

use std::{collections::VecDeque, sync::Arc};

use super::{
    catalog::{self, Metric},
    store::{Sample, Store, Target},
};
use crate::{clock::UnixNanos, identity::Resource, runtime::RuntimeReading};

/// Pauses a summary shows, as many as the Go runtime itself keeps.
const PAUSES: usize = 256;

/// The runtime of one target, as the API shows it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RuntimeSummary {
    /// `service.name`.
    pub service: String,
    /// Process id.
    pub pid: u32,
    /// Live goroutines.
    pub goroutines: Option<u64>,
    /// Finished GC cycles.
    pub gc_cycles: u64,
    /// Time the world was stopped.
    pub gc_pause_total_seconds: f64,
    /// Pauses that could not be read.
    pub gc_pauses_lost: u64,
    /// Up to 256 pauses, newest last.
    pub last_pauses_ns: Vec<u64>,
    /// Live heap at the end of the last cycle.
    pub heap_live_bytes: Option<u64>,
    /// Heap goal.
    pub heap_goal_bytes: Option<u64>,
    /// `GOMAXPROCS`.
    pub gomaxprocs: Option<u32>,
    /// Whether every value was read.
    pub complete: bool,
}

/// The last reading and the last pauses of one target.
#[derive(Debug, Default)]
pub(super) struct RuntimeState {
    last: Option<RuntimeReading>,
    pauses_ns: VecDeque<u64>,
    pauses_lost: u64,
}

impl RuntimeState {
    fn take(&mut self, reading: &RuntimeReading) {
        let pauses = reading.new_gc_cycles.iter().map(|cycle| cycle.pause_ns);
        self.pauses_ns.extend(pauses);
        let surplus = self.pauses_ns.len().saturating_sub(PAUSES);
        self.pauses_ns.drain(..surplus);
        self.pauses_lost += reading.gc_pauses_lost;
        self.last = Some(reading.clone());
    }

    fn summary(&self, resource: &Resource) -> Option<RuntimeSummary> {
        let last = self.last.as_ref()?;
        Some(RuntimeSummary {
            service: resource.service_name.clone(),
            pid: resource.pid,
            goroutines: last.goroutines,
            gc_cycles: last.gc_cycles,
            gc_pause_total_seconds: last.gc_pause_total_ns as f64 / 1e9,
            gc_pauses_lost: self.pauses_lost,
            last_pauses_ns: self.pauses_ns.iter().copied().collect(),
            heap_live_bytes: last.heap_live_bytes,
            heap_goal_bytes: last.heap_goal_bytes,
            gomaxprocs: last.gomaxprocs,
            complete: last.complete,
        })
    }
}

/// Takes over a reading: gauges as they are, totals as totals, each new pause once.
pub(super) fn update(store: &Store, resource: &Arc<Resource>, reading: &RuntimeReading) {
    let number = |metric: &'static Metric, value: f64| {
        store.with_sample(resource, metric, &[], |sample| {
            *sample = Sample::Number(value);
        });
    };
    let gauges = [
        (&catalog::GOROUTINE_COUNT, reading.goroutines),
        (&catalog::GC_GOAL, reading.heap_goal_bytes),
        (&catalog::HEAP_LIVE, reading.heap_live_bytes),
        (&catalog::PROCESSOR_LIMIT, reading.gomaxprocs.map(u64::from)),
    ];
    for (metric, value) in gauges {
        if let Some(value) = value {
            number(metric, value as f64);
        }
    }
    number(&catalog::GC_CYCLES, reading.gc_cycles as f64);
    number(
        &catalog::GC_PAUSE_TIME,
        reading.gc_pause_total_ns as f64 / 1e9,
    );
    store.with_sample(resource, &catalog::GC_PAUSE_DURATION, &[], |sample| {
        if let Sample::Histogram(histogram) = sample {
            for cycle in &reading.new_gc_cycles {
                histogram.observe(cycle.pause_ns as f64 / 1e9, UnixNanos::now(), None);
            }
        }
    });
    let target = store.target(resource);
    let mut state = target.lock();
    state.runtime.take(reading);
    let lost = state.runtime.pauses_lost;
    drop(state);
    number(&catalog::GC_PAUSES_LOST, lost as f64);
}

/// The latest reading of each target whose process lives.
pub(super) fn summaries(targets: &[Arc<Target>]) -> Vec<RuntimeSummary> {
    targets
        .iter()
        .filter(|target| target.is_live())
        .filter_map(|target| target.lock().runtime.summary(&target.resource))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing;

    fn reading(pauses_ns: impl IntoIterator<Item = u64>) -> RuntimeReading {
        RuntimeReading {
            goroutines: Some(12),
            gc_cycles: 300,
            new_gc_cycles: testing::ring_cycles(pauses_ns),
            gc_pause_total_ns: 2_500_000_000,
            heap_live_bytes: Some(4 << 20),
            complete: true,
            read_at: crate::clock::MonotonicNanos(1),
            ..RuntimeReading::default()
        }
    }

    #[test]
    fn each_pause_is_observed_once_and_values_not_read_are_absent() {
        let store = Store::new(10);
        let resource = testing::resource("shop");
        update(&store, &resource, &reading([20_000, 30_000]));
        update(&store, &resource, &reading([40_000]));
        let series = store.target(&resource).snapshot();
        let find = |metric: &Metric| series.iter().find(|series| series.metric == metric);
        let pauses = find(&catalog::GC_PAUSE_DURATION).expect("pauses");
        let Sample::Histogram(histogram) = &pauses.sample else {
            panic!("not a histogram")
        };
        assert_eq!(histogram.count(), 3);
        assert!(find(&catalog::GC_GOAL).is_none());
        let total = find(&catalog::GC_PAUSE_TIME).expect("total");
        assert!(matches!(total.sample, Sample::Number(2.5)));
    }

    #[test]
    fn the_summary_keeps_the_last_256_pauses() {
        let store = Store::new(10);
        let resource = testing::resource("shop");
        update(&store, &resource, &reading(0..200));
        update(&store, &resource, &reading(200..300));
        let summaries = summaries(&store.targets());
        assert_eq!(summaries.len(), 1);
        let expected: Vec<u64> = (44..300).collect();
        assert_eq!(summaries[0].last_pauses_ns, expected);
        assert_eq!(summaries[0].goroutines, Some(12));
    }
}
