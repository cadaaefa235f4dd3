//! Processors (`runtime.p`): found by the table of pointers, which GOMAXPROCS moves.

use super::{
    ProcessorFacts, ReadError,
    memory::{self, Piece},
};

/// Most processors that are believed.
const MOST: u64 = 4_096;

/// States of a processor: idle, running, system call (up to Go 1.25), stopped for the collector, dead.
pub(super) const STATES: usize = 5;

/// The copied processors; they are looked up again whenever their table changes.
#[derive(Debug)]
pub(super) struct Processors {
    facts: ProcessorFacts,
    table: Piece,
    table_after: Piece,
    /// Address and length of the table that `each` was found in.
    known: (u64, u64),
    each: Vec<Processor>,
}

/// What is copied of one processor.
#[derive(Debug)]
struct Processor {
    /// From the state to the end of the bounds of its queue.
    state: Piece,
    /// From the next goroutine to the list of free ones.
    next: Piece,
    created: Option<Piece>,
    /// The free ones once more, at the end of the copy.
    free_again: Piece,
}

/// Sums over all processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProcessorTotals {
    pub(super) states: [u64; STATES],
    /// Goroutines in the processors' own queues.
    pub(super) runnable: u64,
    pub(super) created: Option<u64>,
    /// Free goroutines at the beginning and at the end of the copy.
    pub(super) free: [u64; 2],
}

impl Processors {
    pub(super) fn new(facts: &ProcessorFacts, base: u64) -> Self {
        let table = base.wrapping_add(facts.table);
        Self {
            facts: facts.clone(),
            table: Piece::new(table, 16),
            table_after: Piece::new(table, 16),
            known: (0, 0),
            each: Vec::new(),
        }
    }

    /// What to copy first, and what to copy last.
    pub(super) fn pieces(&mut self) -> (Vec<&mut Piece>, Vec<&mut Piece>) {
        let (mut first, mut last) = (vec![&mut self.table], Vec::new());
        for one in &mut self.each {
            first.extend([&mut one.state, &mut one.next]);
            first.extend(&mut one.created);
            last.push(&mut one.free_again);
        }
        last.push(&mut self.table_after);
        (first, last)
    }

    /// Whether the copy is of the processors that the table names.
    pub(super) fn is_whole(&self) -> bool {
        let table = |piece: &Piece| (piece.u64_at(0), piece.u64_at(8));
        table(&self.table) == self.known && table(&self.table_after) == self.known
    }

    /// Looks the processors up again, from the table as it was at the end of the copy.
    pub(super) fn look_up(&mut self, pid: u32) -> Result<(), ReadError> {
        let (address, length) = (self.table_after.u64_at(0), self.table_after.u64_at(8));
        if length > MOST {
            return Err(ReadError::Nonsense {
                pid,
                what: "len(runtime.allp)",
                value: length,
            });
        }
        let count = usize::try_from(length).unwrap_or_default();
        let mut pointers = Piece::new(address, 8 * count);
        if count != 0 {
            memory::read(pid, &mut [&mut pointers])?;
        }
        self.each = (0..count)
            .map(|index| pointers.u64_at(8 * index))
            .filter(|processor| *processor != 0)
            .map(|processor| Processor::new(&self.facts, processor))
            .collect();
        self.known = (address, length);
        Ok(())
    }

    /// Forgets them: their memory was not readable.
    pub(super) fn forget(&mut self) {
        self.known = (0, 0);
        self.each.clear();
    }

    /// Sums the copy.
    pub(super) fn totals(&self) -> ProcessorTotals {
        let mut totals = ProcessorTotals {
            created: self.facts.created.map(|_| 0),
            ..ProcessorTotals::default()
        };
        for one in &self.each {
            one.add_to(&mut totals, &self.facts);
        }
        totals
    }
}

impl Processor {
    fn new(facts: &ProcessorFacts, address: u64) -> Self {
        let at = |offset: u32, length: usize| {
            Piece::new(address.wrapping_add(u64::from(offset)), length)
        };
        // The fields lie in this order in every release; a piece that would not hold them reads as 0.
        let to = |first: u32, last: u32| usize::try_from(last.saturating_sub(first)).unwrap_or(0);
        Self {
            state: at(facts.status, to(facts.status, facts.queue_tail) + 4),
            next: at(facts.next, to(facts.next, facts.free) + 4),
            created: facts.created.map(|created| at(created, 8)),
            free_again: at(facts.free, 4),
        }
    }

    fn add_to(&self, totals: &mut ProcessorTotals, facts: &ProcessorFacts) {
        let state = |offset: u32| {
            self.state
                .u32_at(to_usize(offset.wrapping_sub(facts.status)))
        };
        let index = usize::try_from(state(facts.status)).unwrap_or(usize::MAX);
        if let Some(count) = totals.states.get_mut(index) {
            *count += 1;
        }
        let queued = state(facts.queue_tail).wrapping_sub(state(facts.queue_head));
        // The bounds are read one after the other: a queue that was emptied between reads as negative.
        totals.runnable += u64::try_from(queued.cast_signed()).unwrap_or(0);
        totals.runnable += u64::from(self.next.u64_at(0) != 0);
        if let (Some(sum), Some(piece)) = (&mut totals.created, &self.created) {
            *sum = sum.wrapping_add(piece.u64_at(0));
        }
        let free = self
            .next
            .u32_at(to_usize(facts.free.wrapping_sub(facts.next)));
        totals.free[0] += u64::from(free);
        totals.free[1] += u64::from(self.free_again.u32_at(0));
    }
}

fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
