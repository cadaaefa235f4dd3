//! The number of goroutines, as `runtime.NumGoroutine` computes it.
//!
//! Ended goroutines move between the lists of processors and the global one in batches of 32, so a
//! copy may count a batch twice or not at all. So the parts are copied twice, first and last: two counts
//! that differ by less than half a batch are the truth, else more are taken and the middle one counts.

use super::{Absence, RuntimeFacts, cells::Cell, copies::Copies, memory::Piece};

/// Half of the goroutines that move at once.
const HALF_A_BATCH: u64 = 16;

/// The parts that do not belong to a processor, copied twice, and the counts of one reading.
#[derive(Debug)]
pub(super) struct Goroutines {
    minor: u32,
    copies: [Copies; 2],
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
        Self {
            minor: facts.minor,
            copies: [(); 2].map(|()| Copies::new(facts, base, is_part)),
            counts: Vec::new(),
        }
    }

    /// What to copy first, and what to copy last.
    pub(super) fn pieces(
        &mut self,
    ) -> (
        impl Iterator<Item = &mut Piece>,
        impl Iterator<Item = &mut Piece>,
    ) {
        let [first, last] = &mut self.copies;
        (first.pieces(), last.pieces())
    }

    /// Begins a reading.
    pub(super) fn forget(&mut self) {
        self.counts.clear();
    }

    /// Takes the counts of one copy in, given the free goroutines of all processors at its beginning and
    /// its end; `false` when they contradict each other.
    pub(super) fn count(&mut self, free: [u64; 2]) -> bool {
        let counts = [0, 1].map(|at| Self::sum(&self.copies[at], self.minor, free[at]));
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

    /// All goroutines ever made, less those that are free for use again and the runtime's own.
    fn sum(copies: &Copies, minor: u32, of_processors: u64) -> Option<u64> {
        let free = if minor < 25 {
            copies.get(Cell::FreeOld)?
        } else {
            let with_stack = copies.get(Cell::FreeWithStack)?;
            with_stack.wrapping_add(copies.get(Cell::FreeWithoutStack)?)
        };
        let system = copies.get(Cell::SystemGoroutines)?;
        let gone = free.checked_add(of_processors)?.checked_add(system)?;
        copies.get(Cell::AllGoroutines)?.checked_sub(gone)
    }
}
