//! The last reading of each Go runtime, and the histogram of pauses by cycle.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    catalog, go,
    store::{Sample, Store, Target},
};
use crate::{
    clock::UnixNanos,
    discovery::Usage,
    identity::Resource,
    runtime::{Absence, Figure, RuntimeReading},
};

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
    pub gomaxprocs: Option<u64>,
    /// Whether all parts of the last reading belong to one moment.
    pub complete: bool,
    /// Every number, under the name that runtime/metrics gives it, in seconds, bytes or things.
    pub values: BTreeMap<&'static str, f64>,
    /// Numbers that are not there, and why.
    pub absent: BTreeMap<&'static str, Absence>,
}

/// The last reading and the last pauses of one target.
#[derive(Debug, Default)]
pub(super) struct RuntimeState {
    last: Option<Arc<RuntimeReading>>,
    pauses_ns: VecDeque<u64>,
    pauses_lost: u64,
    /// What its process used at the last reading.
    pub(super) usage: Option<Usage>,
}

impl RuntimeState {
    /// The last reading.
    pub(super) fn last(&self) -> Option<Arc<RuntimeReading>> {
        self.last.clone()
    }

    fn take(&mut self, reading: Arc<RuntimeReading>) {
        let pauses = reading.new_gc_cycles.iter().map(|cycle| cycle.pause_ns);
        self.pauses_ns.extend(pauses);
        let surplus = self.pauses_ns.len().saturating_sub(PAUSES);
        self.pauses_ns.drain(..surplus);
        self.pauses_lost += reading.gc_pauses_lost;
        self.last = Some(reading);
    }

    fn summary(&self, resource: &Resource) -> Option<RuntimeSummary> {
        let last = self.last.as_ref()?;
        Some(RuntimeSummary {
            service: resource.service_name.clone(),
            pid: resource.pid,
            goroutines: last.get(Figure::Goroutines),
            gc_cycles: last.gc_cycles,
            gc_pause_total_seconds: last.gc_pause_total_ns as f64 / 1e9,
            gc_pauses_lost: self.pauses_lost,
            last_pauses_ns: self.pauses_ns.iter().copied().collect(),
            heap_live_bytes: last.get(Figure::HeapLive),
            heap_goal_bytes: last.get(Figure::HeapGoal),
            gomaxprocs: last.get(Figure::MaxProcs),
            complete: last.complete,
            values: Figure::ALL
                .iter()
                .filter_map(|one| Some((one.name(), last.number(*one)?)))
                .collect(),
            absent: Figure::ALL
                .iter()
                .filter_map(|one| Some((one.name(), last.numbers.get(*one).err()?)))
                .collect(),
        })
    }
}

/// Takes over a reading: it is kept as a whole, and each new pause is counted once.
pub(super) fn update(store: &Store, resource: &Arc<Resource>, reading: Arc<RuntimeReading>) {
    if !reading.new_gc_cycles.is_empty() {
        store.with_sample(resource, &go::GC_CYCLE_PAUSE, &[], |sample| {
            if let Sample::Histogram(histogram) = sample {
                for cycle in &reading.new_gc_cycles {
                    histogram.observe(cycle.pause_ns as f64 / 1e9, UnixNanos::now(), None);
                }
            }
        });
    }
    let target = store.target(resource);
    let lost = {
        let mut state = target.lock();
        let before = state.runtime.pauses_lost;
        let is_first = state.runtime.last.is_none();
        state.runtime.take(reading);
        let lost = state.runtime.pauses_lost;
        (is_first || lost != before).then_some(lost)
    };
    if let Some(lost) = lost {
        store.with_sample(resource, &catalog::GC_PAUSES_LOST, &[], |sample| {
            *sample = Sample::Number(lost as f64);
        });
    }
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
    use crate::{
        runtime::Numbers,
        telemetry::{catalog::Metric, testing},
    };

    fn reading(pauses_ns: impl IntoIterator<Item = u64>) -> Arc<RuntimeReading> {
        Arc::new(RuntimeReading {
            numbers: Numbers::default()
                .with(Figure::Goroutines, 12)
                .with(Figure::GcPauseTotal, 2_500_000_000),
            gc_cycles: 300,
            new_gc_cycles: testing::ring_cycles(pauses_ns),
            gc_pause_total_ns: 2_500_000_000,
            complete: true,
            read_at: crate::clock::MonotonicNanos(1),
            ..RuntimeReading::default()
        })
    }

    #[test]
    fn each_pause_is_observed_once_and_values_not_read_are_absent() {
        let store = Store::new(10);
        let resource = testing::resource("shop");
        update(&store, &resource, reading([20_000, 30_000]));
        update(&store, &resource, reading([40_000]));
        let series = store.target(&resource).snapshot_with_runtime();
        let find = |metric: &Metric| series.iter().find(|series| series.metric == metric);
        let pauses = find(&go::GC_CYCLE_PAUSE).expect("pauses");
        let Sample::Histogram(histogram) = &pauses.sample else {
            panic!("not a histogram")
        };
        assert_eq!(histogram.count(), 3);
        assert!(find(&catalog::GC_GOAL).is_none());
        let total = find(&catalog::GC_PAUSE_TIME).expect("total");
        assert!(matches!(total.sample, Sample::Number(2.5)));
        let lost = find(&catalog::GC_PAUSES_LOST).expect("told from the first reading on");
        assert!(matches!(lost.sample, Sample::Number(0.0)));
    }

    #[test]
    fn the_summary_keeps_the_last_256_pauses() {
        let store = Store::new(10);
        let resource = testing::resource("shop");
        update(&store, &resource, reading(0..200));
        update(&store, &resource, reading(200..300));
        let summaries = summaries(&store.targets());
        assert_eq!(summaries.len(), 1);
        let expected: Vec<u64> = (44..300).collect();
        assert_eq!(summaries[0].last_pauses_ns, expected);
        assert_eq!(summaries[0].goroutines, Some(12));
        assert_eq!(summaries[0].values["/sched/goroutines:goroutines"], 12.0);
        assert_eq!(summaries[0].absent["/gc/heap/goal:bytes"], Absence::Unknown);
    }
}
