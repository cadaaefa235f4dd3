//! Threads (`runtime.m`): a linked list, copied at the addresses where it was found last.

use std::collections::HashMap;

use super::{
    ReadError, ThreadFacts,
    memory::{self, Copied, Place},
};

/// Most threads that are followed; Go itself ends a program with 10,000.
const MOST: usize = 16_384;

/// The copied threads.
#[derive(Debug)]
pub(super) struct Threads {
    facts: ThreadFacts,
    head: usize,
    /// Address of each, in the order of the list, and where in the copy of what is found by following
    /// pointers it is.
    each: Vec<(u64, usize)>,
    /// First field that is read, and how many bytes from there on.
    start: u32,
    length: usize,
}

/// Sums over all threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ThreadTotals {
    pub(super) count: u64,
    pub(super) cgo_calls: u64,
    pub(super) lock_wait_ns: u64,
}

impl Threads {
    /// `head` is where in the copy the pointer to the first one is.
    pub(super) fn new(facts: &ThreadFacts, head: usize) -> Self {
        let fields = [Some(facts.next), Some(facts.cgo_calls), facts.lock_wait];
        let fields = fields.into_iter().flatten();
        let start = fields.clone().min().unwrap_or(0);
        let end = fields.max().unwrap_or(0).saturating_add(8);
        Self {
            head,
            each: Vec::new(),
            facts: facts.clone(),
            start,
            length: usize::try_from(end - start).unwrap_or_default(),
        }
    }

    /// The pointer to the first one, in a process that the binary was loaded at `base` of.
    pub(super) fn wanted(facts: &ThreadFacts, base: u64) -> Place {
        (base.wrapping_add(facts.head), 8)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.each.iter().map(|(thread, _)| self.place(*thread))
    }

    /// Takes note of where in the copy what is at an address is.
    pub(super) fn arrange(&mut self, at: impl Fn(u64) -> usize) {
        let start = u64::from(self.start);
        for (thread, offset) in &mut self.each {
            *offset = at(thread.wrapping_add(start));
        }
    }

    /// Whether the copied threads are the whole list: each names the next one.
    pub(super) fn is_whole(&self, copied: Copied<'_>, each: Copied<'_>) -> bool {
        let mut expected = copied.u64_at(self.head);
        let linked = self.copies(each).all(|(address, copy)| {
            let is_next = address == expected;
            expected = self.field(copy, self.facts.next);
            is_next
        });
        linked && expected == 0
    }

    /// Follows the list from its head; only threads that were not copied are read.
    pub(super) fn follow(
        &mut self,
        pid: u32,
        copied: Copied<'_>,
        each: Copied<'_>,
    ) -> Result<(), ReadError> {
        let known: HashMap<u64, u64> = self
            .copies(each)
            .map(|(address, copy)| (address, self.field(copy, self.facts.next)))
            .collect();
        self.each.clear();
        let mut bytes = Vec::new();
        let mut thread = copied.u64_at(self.head);
        while thread != 0 {
            if self.each.len() >= MOST {
                return Err(ReadError::Nonsense {
                    pid,
                    what: "length of runtime.allm",
                    value: u64::try_from(MOST).unwrap_or(u64::MAX),
                });
            }
            self.each.push((thread, 0));
            thread = match known.get(&thread) {
                Some(next) => *next,
                None => {
                    memory::copy(pid, &[self.place(thread)], &mut bytes)?;
                    self.field(Copied(&bytes), self.facts.next)
                }
            };
        }
        Ok(())
    }

    /// Forgets them: their memory was not readable.
    pub(super) fn forget(&mut self) {
        self.each.clear();
    }

    pub(super) fn totals(&self, each: Copied<'_>) -> ThreadTotals {
        let mut totals = ThreadTotals::default();
        for (_, thread) in self.copies(each) {
            totals.count += 1;
            let calls = self.field(thread, self.facts.cgo_calls);
            totals.cgo_calls = totals.cgo_calls.wrapping_add(calls);
            let wait = self
                .facts
                .lock_wait
                .map_or(0, |wait| self.field(thread, wait));
            totals.lock_wait_ns = totals.lock_wait_ns.wrapping_add(wait);
        }
        totals
    }

    fn place(&self, thread: u64) -> Place {
        (thread.wrapping_add(u64::from(self.start)), self.length)
    }

    /// Address and copy of each.
    fn copies<'c>(&self, each: Copied<'c>) -> impl Iterator<Item = (u64, Copied<'c>)> {
        let all = self.each.iter();
        all.map(move |(thread, offset)| (*thread, each.from(*offset)))
    }

    fn field(&self, copy: Copied<'_>, offset: u32) -> u64 {
        copy.u64_at(usize::try_from(offset.wrapping_sub(self.start)).unwrap_or(usize::MAX))
    }
}
