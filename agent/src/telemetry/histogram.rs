//! Histograms with one exemplar per bucket, and the rate of the last minute.

use crate::{
    clock::UnixNanos,
    correlate::{SpanId, TraceId},
};

/// A request that stands for the others of its bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exemplar {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub value: f64,
    pub time: UnixNanos,
}

/// Counts per bucket since the start.
///
/// # Layout  `counts` and `exemplars` have one entry per bound and one for everything above
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    counts: Box<[u64]>,
    exemplars: Box<[Option<Exemplar>]>,
    sum: f64,
    pub(super) rate: RateWindow,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        let buckets = bounds.len() + 1;
        Self {
            bounds,
            counts: vec![0; buckets].into(),
            exemplars: vec![None; buckets].into(),
            sum: 0.0,
            rate: RateWindow::default(),
        }
    }

    /// A histogram that something else has counted; `counts` has one entry more than there are bounds.
    pub(super) fn of(bounds: &'static [f64], counts: Vec<u64>, sum: f64) -> Self {
        debug_assert_eq!(counts.len(), bounds.len() + 1);
        Self {
            exemplars: vec![None; counts.len()].into(),
            counts: counts.into(),
            sum,
            ..Self::new(bounds)
        }
    }

    /// Counts a value in the first bucket whose bound is not below it.
    pub(super) fn observe(&mut self, value: f64, time: UnixNanos, exemplar: Option<Exemplar>) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        if let (Some(place), Some(_)) = (self.exemplars.get_mut(bucket), exemplar) {
            *place = exemplar;
        }
        self.sum += value;
        self.rate.count(time);
    }

    /// Adds another histogram with the same bounds.
    pub(super) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
        self.rate.merge(&other.rate);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    /// Upper bound, number of values at or below it, and exemplar of each bucket.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64, Option<&Exemplar>)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let mut below = 0;
        bounds
            .zip(&self.counts)
            .zip(&self.exemplars)
            .map(move |((bound, count), exemplar)| {
                below += count;
                (bound, below, exemplar.as_ref())
            })
    }

    /// The value below which the given share of all values lies, interpolated within its bucket.
    ///
    /// A value above the last bound reads as the last bound, as in `histogram_quantile`.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let total = self.count();
        if total == 0 {
            return 0.0;
        }
        let rank = share * total as f64;
        let (mut lower, mut before) = (0.0, 0_u64);
        for (bound, below, _) in self.buckets() {
            if below as f64 >= rank && below > before {
                if bound.is_infinite() {
                    return lower;
                }
                let within = (rank - before as f64) / (below - before) as f64;
                return lower + (bound - lower) * within.clamp(0.0, 1.0);
            }
            (lower, before) = (bound, below);
        }
        lower
    }
}

const SLOTS: u64 = 12;
const SLOT_NS: u64 = 5_000_000_000;

/// Counts of the last minute, in slots of five seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct RateWindow {
    counts: [u32; SLOTS as usize],
    /// Number of the newest slot since 1970.
    newest: u64,
    first: Option<UnixNanos>,
}

impl RateWindow {
    fn count(&mut self, time: UnixNanos) {
        self.add(time.0 / SLOT_NS, 1);
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
    }

    fn add(&mut self, slot: u64, count: u32) {
        if slot > self.newest {
            for passed in (self.newest + 1..=slot).rev().take(SLOTS as usize) {
                *self.place(passed) = 0;
            }
            self.newest = slot;
        }
        if slot + SLOTS > self.newest {
            let place = self.place(slot);
            *place = place.saturating_add(count);
        }
    }

    fn place(&mut self, slot: u64) -> &mut u32 {
        &mut self.counts[(slot % SLOTS) as usize]
    }

    fn merge(&mut self, other: &Self) {
        for slot in (other.newest + 1).saturating_sub(SLOTS)..=other.newest {
            self.add(slot, other.counts[(slot % SLOTS) as usize]);
        }
        self.first = match (self.first, other.first) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// Counts per second over the last minute, or since the first count when that is shorter.
    pub(super) fn per_second(&self, now: UnixNanos) -> f64 {
        let Some(first) = self.first else { return 0.0 };
        let current = now.0 / SLOT_NS;
        let oldest = (current + 1).saturating_sub(SLOTS);
        let counted: u64 = (oldest..=current)
            .filter(|slot| *slot <= self.newest && slot + SLOTS > self.newest)
            .map(|slot| u64::from(self.counts[(slot % SLOTS) as usize]))
            .sum();
        let since = first.0.max(oldest * SLOT_NS);
        // A first request a moment ago says nothing about a rate; count it as one in a second.
        let seconds = (now.0.saturating_sub(since) as f64 / 1e9).max(1.0);
        counted as f64 / seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const START: u64 = 1_000_000 * SLOT_NS;

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos(START + seconds * SECOND)
    }

    #[test]
    fn a_value_on_a_bound_counts_below_it() {
        let mut histogram = Histogram::new(&[0.1, 1.0]);
        for value in [0.1, 0.10001, 1.0, 7.0] {
            histogram.observe(value, at(0), None);
        }
        let counts: Vec<_> = histogram.buckets().map(|(_, below, _)| below).collect();
        assert_eq!(counts, [1, 3, 4]);
        assert!((histogram.sum() - 8.20001).abs() < 1e-9);
    }

    #[test]
    fn a_bucket_keeps_its_latest_exemplar() {
        let mut histogram = Histogram::new(&[0.1, 1.0]);
        let exemplar = |id, value| Exemplar {
            trace_id: TraceId([id; 16]),
            span_id: SpanId([id; 8]),
            value,
            time: at(0),
        };
        histogram.observe(0.5, at(0), Some(exemplar(1, 0.5)));
        histogram.observe(0.6, at(1), Some(exemplar(2, 0.6)));
        histogram.observe(0.7, at(2), None);
        let kept: Vec<_> = histogram
            .buckets()
            .map(|(.., kept)| kept.map(|e| e.value))
            .collect();
        assert_eq!(kept, [None, Some(0.6), None]);
    }

    #[test]
    fn quantiles_interpolate_and_stop_at_the_last_bound() {
        let mut histogram = Histogram::new(&[1.0, 2.0, 4.0]);
        assert_eq!(histogram.quantile(0.5), 0.0);
        for value in [0.5, 1.5, 1.5, 3.0] {
            histogram.observe(value, at(0), None);
        }
        assert!((histogram.quantile(0.5) - 1.5).abs() < 1e-9);
        histogram.observe(100.0, at(0), None);
        assert!((histogram.quantile(0.99) - 4.0).abs() < 1e-9);
    }

    #[test]
    fn the_rate_covers_at_most_the_last_minute() {
        let mut histogram = Histogram::new(&[1.0]);
        for second in 0..120 {
            for _ in 0..10 {
                histogram.observe(0.5, at(second), None);
            }
        }
        let rate = histogram.rate.per_second(at(120));
        assert!((rate - 10.0).abs() < 1.0, "{rate}");
        assert_eq!(histogram.rate.per_second(at(300)), 0.0);
    }

    #[test]
    fn a_young_series_is_rated_over_its_own_life() {
        let mut histogram = Histogram::new(&[1.0]);
        for second in 0..4 {
            histogram.observe(0.5, at(second), None);
        }
        assert!((histogram.rate.per_second(at(4)) - 1.0).abs() < 1e-9);
        let mut merged = Histogram::new(&[1.0]);
        merged.merge(&histogram);
        merged.merge(&histogram);
        assert_eq!(merged.count(), 8);
        assert!((merged.rate.per_second(at(4)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_late_count_goes_into_its_own_slot() {
        let mut window = RateWindow::default();
        window.count(at(100));
        window.count(at(58));
        window.count(at(0));
        assert!((window.per_second(at(100)) - 2.0 / 60.0).abs() < 0.01);
    }
}
