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
    pub times: Times,
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

/// A number, or why there is none, for each figure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(Vec<Result<u64, Absence>>);

impl Numbers {
    /// Asks for each figure once.
    #[must_use]
    pub fn new(of: impl FnMut(Figure) -> Result<u64, Absence>) -> Self {
        Self(Figure::ALL.iter().copied().map(of).collect())
    }

    /// The number in the figure's unit.
    ///
    /// # Errors
    /// Why there is none.
    pub fn get(&self, figure: Figure) -> Result<u64, Absence> {
        let found = self.0.get(figure as usize);
        found.copied().unwrap_or(Err(Absence::Unknown))
    }

    /// The same numbers with one of them replaced.
    #[must_use]
    pub fn with(self, figure: Figure, value: u64) -> Self {
        Self::new(|one| {
            if one == figure {
                Ok(value)
            } else {
                self.get(one)
            }
        })
    }
}
