//! Series of the Go runtime, made from the last reading of a target when a page is written.

pub mod catalog;
mod rows;

pub(super) use catalog::GC_CYCLE_PAUSE;
pub use catalog::{METRICS, PROFILES, READINGS, SIZE_BYTES, TIME_SECONDS};
pub(super) use rows::{NUMBERS, TIMES};

use super::{
    catalog::Metric,
    histogram::Histogram,
    store::{Sample, Series, Target},
};
use crate::runtime::{RuntimeReading, SizeCounts, TimeCounts};

/// Every number and histogram of a reading that is published.
pub(super) fn series(target: &Target, reading: &RuntimeReading) -> Vec<Series> {
    let mut all = Vec::with_capacity(NUMBERS.len() + TIMES.len() + 2);
    let mut add = |metric, values: &[&str], sample| {
        let mut series = target.series(metric, values);
        series.sample = sample;
        all.push(series);
    };
    for (figure, metric, values) in NUMBERS {
        if let Some(number) = reading.number(*figure)
            && !rows::means_nothing(*figure, reading)
        {
            add(metric, values, Sample::Number(number));
        }
    }
    for (distribution, metric, values) in TIMES {
        if let Some(counts) = reading.times.get(distribution) {
            add(
                metric,
                values,
                Sample::Histogram(Box::new(of_times(counts))),
            );
        }
    }
    let sizes: [(&'static Metric, _); 2] = [
        (&catalog::ALLOCATION_SIZE, &reading.allocated),
        (&catalog::FREE_SIZE, &reading.freed),
    ];
    for (metric, counts) in sizes {
        if let Some(counts) = counts {
            add(metric, &[], Sample::Histogram(Box::new(of_sizes(counts))));
        }
    }
    all
}

/// Neighbouring buckets together. Counts stay exact; the sum takes each time for the middle of its bucket.
pub(super) fn of_times(counts: &TimeCounts) -> Histogram {
    let bounds = TIME_SECONDS;
    let lower = counts.bounds_ns();
    let mut merged = vec![0; bounds.len() + 1];
    if let Some(first) = merged.first_mut() {
        *first += counts.underflow;
    }
    let (mut bucket, mut sum_ns) = (0, 0.0);
    for (at, (count, start)) in counts.counts().iter().zip(lower).enumerate() {
        let end = lower.get(at + 1).copied().unwrap_or(u64::MAX);
        let most = end.saturating_sub(1) as f64 / 1e9;
        while bounds.get(bucket).is_some_and(|bound| *bound < most) {
            bucket += 1;
        }
        if let Some(place) = merged.get_mut(bucket) {
            *place += count;
        }
        let middle = if end == u64::MAX {
            *start as f64
        } else {
            (*start as f64 + end as f64) / 2.0
        };
        sum_ns += *count as f64 * middle;
    }
    let past = lower.last().map_or(0.0, |last| *last as f64);
    sum_ns += counts.overflow as f64 * past;
    if let Some(last) = merged.last_mut() {
        *last += counts.overflow;
    }
    Histogram::of(bounds, merged, sum_ns / 1e9)
}

/// Classes of sizes together; counts and sum stay exact.
fn of_sizes(counts: &SizeCounts) -> Histogram {
    let mut merged = vec![0; SIZE_BYTES.len() + 1];
    let small = counts
        .small
        .iter()
        .map(|(size, count)| (f64::from(*size), *count));
    for (size, count) in small.chain([(f64::INFINITY, counts.large)]) {
        let bucket = SIZE_BYTES.partition_point(|bound| *bound < size);
        if let Some(place) = merged.get_mut(bucket) {
            *place += count;
        }
    }
    Histogram::of(SIZE_BYTES, merged, counts.bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        runtime::{Absence, Distribution, Figure, Numbers},
        telemetry::catalog::Instrument,
    };

    /// Each fine bucket counted once: the merged counts are those of a count at the bound itself.
    #[test]
    fn neighbouring_buckets_are_merged_exactly() {
        for buckets in [160, 720] {
            let counts = TimeCounts::new((1..=buckets).collect(), 7, 11);
            let merged = of_times(&counts);
            assert_eq!(merged.count(), counts.count());
            for (bound, below, _) in merged.buckets().take(TIME_SECONDS.len()) {
                let bound_ns = (bound * 1e9).round() as u64;
                let fine = counts.counts().iter().zip(counts.bounds_ns());
                let expected: u64 = fine
                    .filter(|(_, start)| **start <= bound_ns)
                    .map(|(count, _)| count)
                    .sum();
                assert_eq!(below, expected + 7, "{buckets} buckets, {bound}");
            }
        }
    }

    #[test]
    fn sizes_are_merged_exactly() {
        let counts = SizeCounts {
            small: vec![(0, 0), (8, 1), (16, 2), (24, 3), (32, 4), (32_768, 5)],
            large: 6,
            bytes: 1_000,
        };
        let histogram = of_sizes(&counts);
        let below: Vec<_> = histogram.buckets().map(|(_, below, _)| below).collect();
        assert_eq!(below[..4], [1, 3, 10, 10]);
        assert_eq!(below[12..], [15, 21]);
        assert_eq!(histogram.sum(), 1_000.0);
    }

    /// A metric without a row in one of the tables would never be seen; two rows would be one series.
    #[test]
    fn every_row_is_a_series_of_its_own_and_fits_its_metric() {
        let mut seen = std::collections::BTreeSet::new();
        for (figure, metric, values) in NUMBERS {
            assert!(seen.insert((metric.name, *values)), "{figure:?}");
            assert_eq!(values.len(), metric.attributes.len(), "{figure:?}");
            assert!(!matches!(metric.instrument, Instrument::Histogram(_)));
        }
        for (distribution, metric, values) in TIMES {
            assert!(seen.insert((metric.name, *values)), "{distribution:?}");
            assert_eq!(values.len(), metric.attributes.len());
        }
        assert_eq!(TIMES.len(), Distribution::ALL.len());
    }

    #[test]
    fn a_value_that_is_not_there_has_no_series() {
        let store = crate::telemetry::store::Store::new(10);
        let target = store.target(&crate::telemetry::testing::resource("shop"));
        let numbers = Numbers::new(|_| Err(Absence::Release));
        let reading = RuntimeReading {
            numbers: numbers
                .with(Figure::MemoryLimit, i64::MAX.cast_unsigned())
                .with(Figure::GcPercent, (-1_i64).cast_unsigned()),
            ..RuntimeReading::default()
        };
        let all = series(&target, &reading);
        assert_eq!(all.len(), 1, "no limit is set: {all:?}");
        assert!(matches!(all[0].sample, Sample::Number(-1.0)));
    }
}
