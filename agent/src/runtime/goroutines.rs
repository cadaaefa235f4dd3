//! The number of goroutines, as `runtime.NumGoroutine` computes it.
//!
//! Ended goroutines move between the lists of processors and the global one in batches of 32, so a
//! copy may count a batch twice or not at all. So the parts are copied twice, early and last: two counts
//! that differ by less than half a batch are the truth, else more are taken and the middle one counts.

use super::{
    Absence, RuntimeFacts,
    cells::Cell,
    copies::Copies,
    memory::{Copied, Place},
    spans::Spans,
};

/// Half of the goroutines that move at once.
const HALF_A_BATCH: u64 = 16;

/// The parts that do not belong to a processor, copied twice, and the counts of one reading.
#[derive(Debug)]
pub(super) struct Goroutines {
    minor: u32,
    /// What is copied once more at the end, and where it is in that copy.
    again: Spans,
    last: Copies,
    counts: Vec<u64>,
}

impl Goroutines {
    pub(super) fn new(facts: &RuntimeFacts, base: u64) -> Self {
        let is_part = |cell: Cell| {
            matches!(
                cell,
                Cell::AllGoroutines
                    | Cell::SystemGoroutines
                    | Cell::FreeOld
                    | Cell::FreeWithStack
                    | Cell::FreeWithoutStack
            )
        };
        let parts = facts.cells(base).filter(|(cell, _)| is_part(*cell));
        let parts: Vec<(Cell, Place)> = parts.collect();
        let again = Spans::of(parts.iter().map(|(_, place)| *place));
        let offsets = parts
            .iter()
            .map(|(cell, (address, _))| (*cell, again.find(*address)));
        Self {
            minor: facts.minor,
            last: Copies::new(offsets),
            again,
            counts: Vec::new(),
        }
    }

    /// What to copy at the end.
    pub(super) fn again(&self) -> &[Place] {
        self.again.places()
    }

    /// Begins a reading.
    pub(super) fn forget(&mut self) {
        self.counts.clear();
    }

    /// Takes the counts of one copy in: the early parts, those at its end, and the free goroutines of all
    /// processors at both times; `false` when they contradict each other.
    pub(super) fn count(
        &mut self,
        (copies, copied): (&Copies, Copied<'_>),
        again: Copied<'_>,
        free: [u64; 2],
    ) -> bool {
        let counts = [
            sum(copies, copied, self.minor, free[0]),
            sum(&self.last, again, self.minor, free[1]),
        ];
        self.counts.extend(counts.iter().flatten());
        match counts {
            [Some(first), Some(last)] => first.abs_diff(last) < HALF_A_BATCH,
            // Parts that the binary does not tell will not be there next time either.
            _ => true,
        }
    }

    /// The middle one of all counts.
    pub(super) fn median(&self) -> Result<u64, Absence> {
        let mut counts = self.counts.clone();
        counts.sort_unstable();
        counts
            .get(counts.len().saturating_sub(1) / 2)
            .copied()
            .ok_or(Absence::Unknown)
    }
}

/// All goroutines ever made, less those that are free for use again and the runtime's own.
fn sum(copies: &Copies, copied: Copied<'_>, minor: u32, of_processors: u64) -> Option<u64> {
    let get = |cell| copies.get(copied, cell);
    let free = if minor < 25 {
        get(Cell::FreeOld)?
    } else {
        get(Cell::FreeWithStack)?.wrapping_add(get(Cell::FreeWithoutStack)?)
    };
    let gone = free.checked_add(of_processors)?;
    let gone = gone.checked_add(get(Cell::SystemGoroutines)?)?;
    get(Cell::AllGoroutines)?.checked_sub(gone)
}
