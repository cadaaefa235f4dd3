//! What one look at a Go runtime gives.

use std::sync::Arc;

use super::{Absence, Figure, RingCycle, SizeCounts, Times, Unit};
use crate::clock::MonotonicNanos;

/// One reading of one target.
///
/// # Units      pauses in ns
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeReading {
    /// All numbers.
    pub numbers: Numbers,
    /// The runtime's own histograms, as far as the release has them.
    pub times: Arc<Times>,
    /// Allocated objects by size.
    pub allocated: Option<Arc<SizeCounts>>,
    /// Freed objects by size.
    pub freed: Option<Arc<SizeCounts>>,
    /// Finished GC cycles since the start of the process.
    pub gc_cycles: u64,
    /// Each cycle that ended since the last reading, oldest first; each cycle comes once.
    pub new_gc_cycles: Vec<RingCycle>,
    /// Cycles that ended since the last reading and whose pause the runtime had overwritten already.
    pub gc_pauses_lost: u64,
    /// Sum of the pauses of all cycles since the start of the process.
    pub gc_pause_total_ns: u64,
    /// Pauses of the last 256 cycles, newest last.
    pub recent_gc_pauses_ns: Arc<[u64]>,
    /// All parts belong to one moment; else the GC part is that of the reading before.
    pub complete: bool,
    /// When the reading was taken.
    pub read_at: MonotonicNanos,
}

impl RuntimeReading {
    /// A number in its unit; none when the reading lacks it.
    #[must_use]
    pub fn get(&self, figure: Figure) -> Option<u64> {
        self.numbers.get(figure).ok()
    }

    /// A number in base units: seconds, bytes, things, a share of 1.
    #[must_use]
    pub fn number(&self, figure: Figure) -> Option<f64> {
        let value = self.get(figure)?;
        Some(match figure.unit() {
            Unit::Count | Unit::Bytes => value as f64,
            Unit::Nanoseconds => value as f64 / 1e9,
            Unit::Percent => value.cast_signed() as f64,
            Unit::Share => f64::from_bits(value),
        })
    }
}

/// How many figures there are.
const FIGURES: usize = Figure::ALL.len();

/// A number, or why there is none, for each figure. Numbers and reasons lie apart, so that a reading with all
/// of them stays below 1 KB, which the allocator hands from the reading before to the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    values: [u64; FIGURES],
    absent: [Option<Absence>; FIGURES],
}

impl Default for Numbers {
    fn default() -> Self {
        Self {
            values: [0; FIGURES],
            absent: [Some(Absence::Unknown); FIGURES],
        }
    }
}

impl Numbers {
    /// Asks for each figure once.
    #[must_use]
    pub fn new(mut of: impl FnMut(Figure) -> Result<u64, Absence>) -> Self {
        let mut numbers = Self::default();
        let places = numbers.values.iter_mut().zip(&mut numbers.absent);
        for (figure, (value, absent)) in Figure::ALL.iter().zip(places) {
            match of(*figure) {
                Ok(known) => (*value, *absent) = (known, None),
                Err(reason) => *absent = Some(reason),
            }
        }
        numbers
    }

    /// The number in the figure's unit.
    ///
    /// # Errors
    /// Why there is none.
    pub fn get(&self, figure: Figure) -> Result<u64, Absence> {
        let place = figure as usize;
        match self.absent.get(place).copied().flatten() {
            Some(reason) => Err(reason),
            None => self.values.get(place).copied().ok_or(Absence::Unknown),
        }
    }

    /// The same numbers with one of them replaced.
    #[must_use]
    pub fn with(mut self, figure: Figure, value: u64) -> Self {
        let place = figure as usize;
        if let (Some(known), Some(absent)) =
            (self.values.get_mut(place), self.absent.get_mut(place))
        {
            (*known, *absent) = (value, None);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_its_number_or_its_reason() {
        let numbers = Numbers::new(|figure| match figure {
            Figure::Goroutines => Ok(7),
            Figure::MaxProcs => Err(Absence::Moving),
            _ => Err(Absence::Release),
        });
        assert_eq!(numbers.get(Figure::Goroutines), Ok(7));
        assert_eq!(numbers.get(Figure::MaxProcs), Err(Absence::Moving));
        let numbers = numbers.with(Figure::MaxProcs, 4);
        assert_eq!(numbers.get(Figure::MaxProcs), Ok(4));
        assert_eq!(numbers.get(Figure::CgoCalls), Err(Absence::Release));
        let none = Numbers::default();
        assert_eq!(none.get(Figure::Goroutines), Err(Absence::Unknown));
    }

    #[test]
    fn a_reading_is_small() {
        assert!(
            size_of::<RuntimeReading>() < 1_000,
            "{}",
            size_of::<RuntimeReading>()
        );
    }
}
