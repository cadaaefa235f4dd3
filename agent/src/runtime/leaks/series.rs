//! A number over time, in bounded memory.

use std::collections::VecDeque;

/// Readings that are remembered; older ones are thinned out.
pub(super) const MEMORY: usize = 64;
/// The newest of them, which are all kept.
const FRESH: usize = 16;

/// Time in seconds and value of each reading, oldest first.
#[derive(Debug, Default)]
pub(super) struct Series(VecDeque<(f64, f64)>);

impl Series {
    pub(super) fn push(&mut self, at: f64, value: f64) {
        self.0.push_back((at, value));
        if self.0.len() > MEMORY {
            let mut number = 0;
            let fresh = self.0.len() - FRESH;
            self.0.retain(|_| {
                number += 1;
                number > fresh || number % 2 == 1
            });
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn last(&self) -> Option<(f64, f64)> {
        self.0.back().copied()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> + ExactSizeIterator {
        self.0.iter().copied()
    }

    /// By how much it rose between two times.
    pub(super) fn growth(&self, from: f64, to: f64) -> f64 {
        self.at(to) - self.at(from)
    }

    /// The value at a time, as if it changed evenly between two readings.
    fn at(&self, time: f64) -> f64 {
        let mut before = None;
        for (at, value) in self.iter() {
            if at >= time {
                let (earlier, base) = before.unwrap_or((at, value));
                let share = if at > earlier {
                    (time - earlier) / (at - earlier)
                } else {
                    1.0
                };
                return base + (value - base) * share;
            }
            before = Some((at, value));
        }
        before.map_or(0.0, |(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut series = Series::default();
        for second in 0..100_000 {
            series.push(f64::from(second), 1.0);
            assert!(series.len() <= MEMORY);
        }
        let times: Vec<f64> = series.iter().map(|(at, _)| at).collect();
        assert!(times.is_sorted() && times[0] < 50_000.0, "{times:?}");
    }

    #[test]
    fn between_two_readings_it_changes_evenly() {
        let mut series = Series::default();
        series.push(10.0, 100.0);
        series.push(20.0, 300.0);
        assert_eq!(series.growth(12.5, 17.5), 100.0);
        assert_eq!(series.growth(0.0, 30.0), 200.0);
    }
}
