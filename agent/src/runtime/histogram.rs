//! The runtime's own histograms of times: 160 buckets, up to Go 1.19 720.

use serde::{Deserialize, Serialize};

use super::{HistogramFacts, memory::Piece};

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

/// Counts of times.
///
/// # Layout   one count per bucket of the runtime, whose lower bounds [`TimeCounts::bounds_ns`] gives
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeCounts {
    counts: Vec<u64>,
    /// Times below 0, which a clock that steps back makes.
    pub underflow: u64,
    /// Times past the last bucket; up to Go 1.19 those count in the last bucket.
    pub overflow: u64,
}

impl TimeCounts {
    /// Takes the counts out of a copied histogram.
    pub(super) fn read(facts: &HistogramFacts, piece: &Piece) -> Self {
        let at = |offset: u32| piece.u64_at(usize::try_from(offset).unwrap_or(usize::MAX));
        Self {
            counts: (0..facts.buckets)
                .map(|bucket| at(facts.counts.saturating_add(8 * bucket)))
                .collect(),
            underflow: at(facts.underflow),
            overflow: facts.overflow.map_or(0, at),
        }
    }

    /// A histogram from its counts.
    #[must_use]
    pub fn new(counts: Vec<u64>, underflow: u64, overflow: u64) -> Self {
        Self {
            counts,
            underflow,
            overflow,
        }
    }

    /// All times, those outside of the buckets too.
    #[must_use]
    pub fn count(&self) -> u64 {
        let inside: u64 = self.counts.iter().sum();
        inside + self.underflow + self.overflow
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

impl HistogramFacts {
    /// Bytes of one histogram.
    pub(super) fn length(&self) -> usize {
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
