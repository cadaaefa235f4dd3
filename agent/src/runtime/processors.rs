//! Processors (`runtime.p`): found by the table of pointers, which GOMAXPROCS moves.

use super::{
    ProcessorFacts, ReadError,
    memory::{self, Copied, Place},
};

/// Most processors that are believed.
const MOST: u64 = 4_096;

/// States of a processor: idle, running, system call (up to Go 1.25), stopped for the collector, dead.
pub(super) const STATES: usize = 5;

/// The copied processors; they are looked up again whenever their table changes.
#[derive(Debug)]
pub(super) struct Processors {
    facts: ProcessorFacts,
    /// Where in the copy the table's address and length are, and its place.
    table: usize,
    table_place: Place,
    /// Address and length of the table that `each` was found in.
    known: (u64, u64),
    each: Vec<Processor>,
}

/// A processor, and where in the copy of what is found by following pointers its parts are.
#[derive(Clone, Copy, Debug, Default)]
struct Processor {
    address: u64,
    state: usize,
    next: usize,
    created: usize,
}

/// Bytes of the number of free goroutines.
const FREE: usize = 4;

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
    /// `table` is where in the copy its table is.
    pub(super) fn new(facts: &ProcessorFacts, base: u64, table: usize) -> Self {
        Self {
            facts: facts.clone(),
            table,
            table_place: Self::wanted(facts, base),
            known: (0, 0),
            each: Vec::new(),
        }
    }

    /// Address and length of their table, in a process that the binary was loaded at `base` of.
    pub(super) fn wanted(facts: &ProcessorFacts, base: u64) -> Place {
        (base.wrapping_add(facts.table), 16)
    }

    /// What to copy of each.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let each = self.each.iter();
        each.flat_map(|processor| self.facts.places(processor.address))
    }

    /// Takes note of where in the copy what is at an address is.
    pub(super) fn arrange(&mut self, at: impl Fn(u64) -> usize) {
        for processor in &mut self.each {
            let mut offsets = self
                .facts
                .places(processor.address)
                .map(|(address, _)| at(address));
            let mut next = || offsets.next().unwrap_or_default();
            (processor.state, processor.next, processor.created) = (next(), next(), next());
        }
    }

    /// What to copy at the end: the free goroutines of each once more, then the table.
    pub(super) fn again(&self) -> impl Iterator<Item = Place> {
        let free = u64::from(self.facts.free);
        let each = self.each.iter();
        each.map(move |processor| (processor.address.wrapping_add(free), FREE))
            .chain([self.table_place])
    }

    /// Whether the copy is of the processors that the table names.
    pub(super) fn is_whole(&self, copied: Copied<'_>, again: Copied<'_>) -> bool {
        table(copied.from(self.table)) == self.known && self.table_after(again) == self.known
    }

    /// Looks the processors up again, from the table as it was at the end of the copy.
    pub(super) fn look_up(&mut self, pid: u32, again: Copied<'_>) -> Result<(), ReadError> {
        let (address, length) = self.table_after(again);
        if length > MOST {
            return Err(ReadError::Nonsense {
                pid,
                what: "len(runtime.allp)",
                value: length,
            });
        }
        let count = usize::try_from(length).unwrap_or_default();
        let mut bytes = Vec::new();
        if count != 0 {
            memory::copy(pid, &[(address, 8 * count)], &mut bytes)?;
        }
        let pointers = Copied(&bytes).numbers(0, count);
        let there = pointers.filter(|address| *address != 0);
        self.each = there
            .map(|address| Processor {
                address,
                ..Processor::default()
            })
            .collect();
        self.known = (address, length);
        Ok(())
    }

    /// Forgets them: their memory was not readable.
    pub(super) fn forget(&mut self) {
        self.known = (0, 0);
        self.each.clear();
    }

    /// Sums what was copied of each.
    pub(super) fn totals(&self, each: Copied<'_>, again: Copied<'_>) -> ProcessorTotals {
        let mut totals = ProcessorTotals {
            created: self.facts.created.map(|_| 0),
            ..ProcessorTotals::default()
        };
        for (number, processor) in self.each.iter().enumerate() {
            self.facts.add(processor, each, &mut totals);
            totals.free[1] += u64::from(again.u32_at(number * FREE));
        }
        totals
    }

    fn table_after(&self, again: Copied<'_>) -> (u64, u64) {
        table(again.from(self.each.len() * FREE))
    }
}

fn table(copied: Copied<'_>) -> (u64, u64) {
    (copied.u64_at(0), copied.u64_at(8))
}

impl ProcessorFacts {
    /// What to copy of the processor at an address: from the state to the end of the bounds of its queue, from
    /// the next goroutine to the list of free ones, and how many it created.
    fn places(&self, address: u64) -> impl Iterator<Item = Place> + use<> {
        let at = |offset: u32| address.wrapping_add(u64::from(offset));
        let state = (at(self.status), distance(self.status, self.queue_tail) + 4);
        let next = (at(self.next), distance(self.next, self.free) + FREE);
        let created = self.created.map(|created| (at(created), 8));
        [state, next].into_iter().chain(created)
    }

    /// Adds one processor.
    fn add(&self, processor: &Processor, copied: Copied<'_>, totals: &mut ProcessorTotals) {
        let state = |offset| copied.u32_at(processor.state + distance(self.status, offset));
        let index = usize::try_from(state(self.status)).unwrap_or(usize::MAX);
        if let Some(count) = totals.states.get_mut(index) {
            *count += 1;
        }
        let queued = state(self.queue_tail).wrapping_sub(state(self.queue_head));
        // The bounds are read one after the other: a queue that was emptied between reads as negative.
        totals.runnable += u64::try_from(queued.cast_signed()).unwrap_or(0);
        totals.runnable += u64::from(copied.u64_at(processor.next) != 0);
        let free = processor.next + distance(self.next, self.free);
        totals.free[0] += u64::from(copied.u32_at(free));
        if let Some(sum) = &mut totals.created {
            *sum = sum.wrapping_add(copied.u64_at(processor.created));
        }
    }
}

/// Bytes from one field to another, which lie in this order in every release.
fn distance(first: u32, last: u32) -> usize {
    usize::try_from(last.saturating_sub(first)).unwrap_or_default()
}
