//! Garbage collection cycles as golens and the program tell them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A row of `/api/v1/gc`: the cycles of one process.
#[derive(Clone, Debug, Deserialize)]
pub struct GcRow {
    /// Process id.
    pub pid: u32,
    /// Cycles that the ring had overwritten.
    pub cycles_lost: u64,
    /// Up to 256 cycles, newest first.
    pub cycles: Vec<CycleRow>,
}

/// One cycle.
#[derive(Clone, Debug, Deserialize)]
pub struct CycleRow {
    /// From 1.
    pub number: u64,
    /// Its whole pause.
    pub pause_ns: u64,
    /// End of its last stop, known from the ring.
    pub end_unix_nano: Option<u64>,
    /// Whether the probe saw it.
    pub observed: bool,
    /// Whether the program asked for it.
    pub forced: Option<bool>,
    /// Its stops in order.
    pub stops: Vec<StopRow>,
    /// Whether their lengths add up.
    pub stops_complete: bool,
}

/// One stop of the world.
#[derive(Clone, Debug, Deserialize)]
pub struct StopRow {
    /// Why, in the runtime's words.
    pub reason: String,
    /// From the request to the restart.
    pub length_ns: Option<u64>,
    /// Until the last P had stopped.
    pub stopping_ns: Option<u64>,
    /// Whether the end is the runtime's own.
    pub exact: bool,
}

/// Histograms of a program's own runtime, by metric.
pub type Pauses = BTreeMap<String, Pause>;

/// One histogram of times.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Pause {
    /// Lower bounds of the buckets, and the upper bound of the last.
    pub bounds_ns: Vec<i64>,
    /// Times in each bucket since the program started.
    pub counts: Vec<u64>,
}

impl Pause {
    /// The same histogram of these times.
    ///
    /// # Panics
    /// When a time lies outside of all buckets.
    #[must_use]
    pub fn of(&self, times_ns: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut counts = vec![0; self.counts.len()];
        for time in times_ns {
            let time = i64::try_from(time).expect("a short time");
            let above = self.bounds_ns.partition_point(|bound| *bound <= time);
            counts[above - 1] += 1;
        }
        counts
    }

    /// What came since an earlier look.
    ///
    /// # Panics
    /// When the buckets are others.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<u64> {
        assert_eq!(self.bounds_ns, before.bounds_ns);
        let pairs = self.counts.iter().zip(&before.counts);
        pairs.map(|(now, before)| now - before).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_bucket_that_begins_at_or_below_them() {
        let histogram = Pause {
            bounds_ns: vec![i64::MIN, 0, 64, 128, i64::MAX],
            counts: vec![0; 4],
        };
        assert_eq!(histogram.of([0, 63, 64, 127, 128, 1 << 40]), [0, 2, 2, 2]);
    }
}
