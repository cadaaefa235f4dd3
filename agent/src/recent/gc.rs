//! The last garbage collection cycles of each process, from the runtime's ring and from the probe.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    clock::UnixNanos,
    identity::Resource,
    runtime::{RingCycle, gc::GcCycle},
};

/// Cycles kept of one process, as many as the Go runtime itself keeps.
const CYCLES: usize = 256;
/// Processes whose cycles are kept, those that ended included.
const PROCESSES: usize = 1_024;

/// One cycle in a timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineCycle {
    /// What is known of it.
    pub cycle: GcCycle,
    /// Its start by the wall clock; none when only the ring tells of it.
    pub start: Option<UnixNanos>,
}

/// The cycles of one process, each once.
#[derive(Debug)]
pub struct GcTimeline {
    /// Whose they are.
    pub resource: Arc<Resource>,
    /// Timelines that were begun before this one.
    earlier: u64,
    cycles: Mutex<Cycles>,
}

#[derive(Debug, Default)]
struct Cycles {
    by_number: BTreeMap<u32, TimelineCycle>,
    lost: u64,
}

impl GcTimeline {
    fn new(resource: &Arc<Resource>, earlier: u64) -> Self {
        Self {
            resource: Arc::clone(resource),
            earlier,
            cycles: Mutex::default(),
        }
    }

    /// Takes cycles over from the ring, and how many it had lost before.
    pub fn ring(&self, cycles: &[RingCycle], lost: u64) {
        let mut held = self.lock();
        held.lost = held.lost.saturating_add(lost);
        for ring in cycles {
            let known = held.by_number.entry(ring.number).or_insert(TimelineCycle {
                cycle: GcCycle::from(*ring),
                start: None,
            });
            known.cycle.pause_ns = ring.pause_ns;
            known.cycle.end = Some(ring.end);
        }
        held.shrink();
    }

    /// Takes a cycle over that the probe saw.
    pub fn observed(&self, cycle: GcCycle, start: Option<UnixNanos>) {
        let mut held = self.lock();
        let end = held
            .by_number
            .get(&cycle.number)
            .and_then(|known| known.cycle.end);
        let cycle = GcCycle { end, ..cycle };
        held.by_number
            .insert(cycle.number, TimelineCycle { cycle, start });
        held.shrink();
    }

    /// Up to `limit` cycles, newest first.
    #[must_use]
    pub fn newest(&self, limit: usize) -> Vec<TimelineCycle> {
        self.lock()
            .by_number
            .values()
            .rev()
            .take(limit)
            .cloned()
            .collect()
    }

    /// Cycles that the ring had overwritten before it was read.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lock().lost
    }

    fn lock(&self) -> MutexGuard<'_, Cycles> {
        self.cycles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cycles {
    fn shrink(&mut self) {
        while self.by_number.len() > CYCLES {
            self.by_number.pop_first();
        }
    }
}

type ByProcess = HashMap<(u32, String), Arc<GcTimeline>>;

/// The timelines of all processes.
#[derive(Debug, Default)]
pub(super) struct GcTimelines {
    /// By pid and instance id: pids are used again.
    by_process: Mutex<ByProcess>,
    begun: AtomicU64,
}

impl GcTimelines {
    /// The timeline of a process, begun when it has none.
    pub(super) fn of(&self, resource: &Arc<Resource>) -> Arc<GcTimeline> {
        let key = (resource.pid, resource.service_instance_id.clone());
        let mut timelines = self.lock();
        if !timelines.contains_key(&key) && timelines.len() >= PROCESSES {
            remove_oldest_ended(&mut timelines);
        }
        let new = || {
            let earlier = self.begun.fetch_add(1, Ordering::Relaxed);
            Arc::new(GcTimeline::new(resource, earlier))
        };
        Arc::clone(timelines.entry(key).or_insert_with(new))
    }

    /// All of them, by process id.
    pub(super) fn all(&self) -> Vec<Arc<GcTimeline>> {
        let mut all: Vec<_> = self.lock().values().map(Arc::clone).collect();
        all.sort_by_key(|timeline| timeline.resource.pid);
        all
    }

    fn lock(&self) -> MutexGuard<'_, ByProcess> {
        self.by_process
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for one. A live process holds its own timeline.
fn remove_oldest_ended(timelines: &mut ByProcess) {
    let ended = timelines
        .iter()
        .filter(|(_, timeline)| Arc::strong_count(timeline) == 1);
    let oldest = ended.min_by_key(|(_, timeline)| timeline.earlier);
    if let Some(key) = oldest.map(|(key, _)| key.clone()) {
        timelines.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        runtime::gc::Observed,
        telemetry::testing::{self, NOON},
    };

    fn seen(number: u32) -> GcCycle {
        GcCycle {
            number,
            pause_ns: u64::from(number),
            end: None,
            observed: Some(Observed::default()),
        }
    }

    #[test]
    fn a_cycle_is_there_once_whoever_tells_of_it_first() {
        let timelines = GcTimelines::default();
        let timeline = timelines.of(&testing::resource("shop"));
        timeline.observed(seen(1), Some(UnixNanos(5)));
        timeline.ring(&testing::ring_cycles([1, 2, 3]), 4);
        timeline.observed(seen(2), Some(UnixNanos(6)));
        let newest = timeline.newest(10);
        let told: Vec<_> = newest
            .iter()
            .map(|one| (one.cycle.number, one.cycle.observed.is_some(), one.start))
            .collect();
        let expected = [
            (3, false, None),
            (2, true, Some(UnixNanos(6))),
            (1, true, Some(UnixNanos(5))),
        ];
        assert_eq!(told, expected);
        assert!(
            newest
                .iter()
                .all(|one| one.cycle.end == Some(UnixNanos(NOON)))
        );
        assert_eq!(timeline.lost(), 4);
    }

    #[test]
    fn timelines_are_bounded() {
        let timelines = GcTimelines::default();
        let live = timelines.of(&testing::resource("live"));
        live.ring(&testing::ring_cycles(0..300), 0);
        let numbers = live.newest(1_000).into_iter().map(|one| one.cycle.number);
        assert!(numbers.eq((45..=300).rev()));
        for number in 0..3_000 {
            timelines.of(&testing::resource(&format!("service-{number}")));
        }
        let mut kept: Vec<u64> = timelines.all().iter().map(|one| one.earlier).collect();
        kept.sort_unstable();
        assert_eq!(kept.len(), PROCESSES);
        let newest = 3_001 - (PROCESSES as u64 - 1);
        assert!(kept.into_iter().eq([0].into_iter().chain(newest..3_001)));
        let again = timelines.of(&testing::resource("live"));
        assert!(Arc::ptr_eq(&live, &again), "a live process keeps its own");
    }
}
