//! The runtime's own histograms of times: 160 buckets, up to Go 1.19 720.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    HistogramFacts,
    memory::{Copied, Place},
};

/// A histogram that the runtime keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Distribution {
    /// From runnable to running, of one goroutine in eight.
    SchedulingLatency,
    /// From the request of a stop to the last processor's stop, for the garbage collector.
    StoppingGc,
    /// The same for other reasons.
    StoppingOther,
    /// From the request of a stop to the restart, for the garbage collector.
    StoppedGc,
    /// The same for other reasons.
    StoppedOther,
}

impl Distribution {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::SchedulingLatency,
        Self::StoppingGc,
        Self::StoppingOther,
        Self::StoppedGc,
        Self::StoppedOther,
    ];

    /// As runtime/metrics of the newest release calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SchedulingLatency => "/sched/latencies:seconds",
            Self::StoppingGc => "/sched/pauses/stopping/gc:seconds",
            Self::StoppingOther => "/sched/pauses/stopping/other:seconds",
            Self::StoppedGc => "/sched/pauses/total/gc:seconds",
            Self::StoppedOther => "/sched/pauses/total/other:seconds",
        }
    }

    /// Variable, its type and the field of Go 1.`minor`; none when the release has no such histogram.
    pub(super) fn field(self, minor: u32) -> Option<(&'static str, &'static str, &'static str)> {
        let in_sched = |path| Some(("runtime.sched", "runtime.schedt", path));
        match self {
            Self::SchedulingLatency => in_sched("timeToRun"),
            // Before the two kinds were told apart there was one record, of the collector's stops.
            Self::StoppedGc if minor < 22 => {
                Some(("runtime.memstats", "runtime.mstats", "gcPauseDist"))
            }
            _ if minor < 22 => None,
            Self::StoppingGc => in_sched("stwStoppingTimeGC"),
            Self::StoppingOther => in_sched("stwStoppingTimeOther"),
            Self::StoppedGc => in_sched("stwTotalTimeGC"),
            Self::StoppedOther => in_sched("stwTotalTimeOther"),
        }
    }
}

/// The histograms of a reading; what did not change is shared with the reading before.
pub type Times = BTreeMap<Distribution, Arc<TimeCounts>>;

/// Counts of times.
///
/// # Layout   one count per bucket of the runtime, whose lower bounds [`TimeCounts::bounds_ns`] gives
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeCounts {
    counts: Vec<u64>,
    /// All of them.
    count: u64,
    /// Times below 0, which a clock that steps back makes.
    pub underflow: u64,
    /// Times past the last bucket; up to Go 1.19 those count in the last bucket.
    pub overflow: u64,
}

impl TimeCounts {
    /// A histogram from its counts.
    #[must_use]
    pub fn new(counts: Vec<u64>, underflow: u64, overflow: u64) -> Self {
        let outside = underflow.wrapping_add(overflow);
        Self {
            count: counts.iter().copied().fold(outside, u64::wrapping_add),
            counts,
            underflow,
            overflow,
        }
    }

    /// All times, those outside of the buckets too.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Counts in the runtime's buckets.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The least time of each bucket, in ns; the upper bound of a bucket is the next one's lower bound.
    #[must_use]
    pub fn bounds_ns(&self) -> &'static [u64] {
        static NEW: std::sync::LazyLock<Vec<u64>> = std::sync::LazyLock::new(|| {
            let bound = |at: u64| match (at / 4, at % 4) {
                (0, sub) => sub << 6,
                (power, sub) => (1 << (power + 7)) + (sub << (power + 5)),
            };
            (0..160).map(bound).collect()
        });
        static OLD: std::sync::LazyLock<Vec<u64>> = std::sync::LazyLock::new(|| {
            let bound = |at: u64| match (at / 16, at % 16) {
                (0, sub) => sub,
                (power, sub) => (16 + sub) << (power - 1),
            };
            (0..720).map(bound).collect()
        });
        match self.counts.len() {
            160 => &NEW,
            720 => &OLD,
            _ => &[],
        }
    }
}

/// Where in the copy the histograms are, and what they were the last time.
#[derive(Debug)]
pub(super) struct Histograms {
    facts: HistogramFacts,
    each: Vec<(Distribution, usize)>,
    /// How many times each has counted; before the first reading none.
    counted: Vec<u64>,
    last: Arc<Times>,
}

impl Histograms {
    /// `at` tells where in the copy an address is.
    pub(super) fn new(facts: &HistogramFacts, base: u64, at: impl Fn(u64) -> usize) -> Self {
        let offset =
            |(one, address): (&Distribution, &u64)| (*one, at(base.wrapping_add(*address)));
        Self {
            each: facts.places.iter().map(offset).collect(),
            facts: facts.clone(),
            counted: Vec::new(),
            last: Arc::default(),
        }
    }

    /// What must be copied of a process that the binary was loaded at `base` of.
    pub(super) fn wanted(facts: &HistogramFacts, base: u64) -> impl Iterator<Item = Place> {
        let addresses = facts.places.values();
        addresses.map(move |address| (base.wrapping_add(*address), facts.length()))
    }

    /// The histograms of a copy. No count ever goes back: where their sum is the same, all of them are.
    pub(super) fn times(&mut self, copied: Copied<'_>) -> Arc<Times> {
        let each = self.each.iter();
        let sums = each.map(|(_, offset)| self.facts.sum(copied.from(*offset)));
        if !sums.clone().eq(self.counted.iter().copied()) {
            self.counted = sums.collect();
            self.last = Arc::new(self.read(copied));
        }
        Arc::clone(&self.last)
    }

    fn read(&self, copied: Copied<'_>) -> Times {
        let each = self.each.iter().zip(&self.counted);
        each.map(|((one, offset), sum)| {
            let counts = match self.last.get(one) {
                Some(last) if last.count() == *sum => Arc::clone(last),
                _ => Arc::new(self.facts.read(copied.from(*offset))),
            };
            (*one, counts)
        })
        .collect()
    }
}

impl HistogramFacts {
    /// All counts of a copied histogram together.
    fn sum(&self, copied: Copied<'_>) -> u64 {
        let outside = self.outside(copied);
        let all = self.counts(copied).chain(outside);
        all.fold(0, u64::wrapping_add)
    }

    fn read(&self, copied: Copied<'_>) -> TimeCounts {
        let [underflow, overflow] = self.outside(copied);
        TimeCounts::new(self.counts(copied).collect(), underflow, overflow)
    }

    fn counts<'c>(&self, copied: Copied<'c>) -> impl Iterator<Item = u64> + use<'c> {
        let start = usize::try_from(self.counts).unwrap_or(usize::MAX);
        copied.numbers(start, usize::try_from(self.buckets).unwrap_or_default())
    }

    /// Times below and past all buckets.
    fn outside(&self, copied: Copied<'_>) -> [u64; 2] {
        let at = |offset: u32| copied.u64_at(usize::try_from(offset).unwrap_or(usize::MAX));
        [at(self.underflow), self.overflow.map_or(0, at)]
    }

    /// Bytes of one histogram.
    fn length(&self) -> usize {
        let last = self.underflow.max(self.overflow.unwrap_or(0));
        usize::try_from(last.saturating_add(8)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_runtime() {
        let new = TimeCounts::new(vec![0; 160], 0, 0);
        assert_eq!(
            new.bounds_ns()[..9],
            [0, 64, 128, 192, 256, 320, 384, 448, 512]
        );
        assert_eq!(new.bounds_ns()[159], (1 << 46) + (3 << 44));
        let old = TimeCounts::new(vec![0; 720], 0, 0);
        assert_eq!(old.bounds_ns()[15..19], [15, 16, 17, 18]);
        assert_eq!(old.bounds_ns()[32..35], [32, 34, 36]);
        for counts in [new, old] {
            assert!(counts.bounds_ns().is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn before_go_1_22_there_is_one_record_of_stops() {
        assert_eq!(Distribution::StoppingGc.field(21), None);
        assert_eq!(
            Distribution::StoppedGc.field(21).map(|(.., path)| path),
            Some("gcPauseDist")
        );
        assert!(Distribution::StoppedOther.field(22).is_some());
    }
}
