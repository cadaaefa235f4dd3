//! Threads (`runtime.m`): a linked list, copied at the addresses where it was found last.

use std::collections::HashMap;

use super::{
    ReadError, ThreadFacts,
    memory::{self, Piece},
};

/// Most threads that are followed; Go itself ends a program with 10,000.
const MOST: usize = 16_384;

/// The copied threads.
#[derive(Debug)]
pub(super) struct Threads {
    facts: ThreadFacts,
    head: Piece,
    /// In the order of the list. Each piece begins at the first field that is read.
    each: Vec<Piece>,
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
    pub(super) fn new(facts: &ThreadFacts, base: u64) -> Self {
        let fields = [Some(facts.next), Some(facts.cgo_calls), facts.lock_wait];
        let fields = fields.into_iter().flatten();
        let start = fields.clone().min().unwrap_or(0);
        let end = fields.max().unwrap_or(0).saturating_add(8);
        Self {
            head: Piece::new(base.wrapping_add(facts.head), 8),
            each: Vec::new(),
            facts: facts.clone(),
            start,
            length: usize::try_from(end - start).unwrap_or_default(),
        }
    }

    pub(super) fn pieces(&mut self) -> impl Iterator<Item = &mut Piece> {
        std::iter::once(&mut self.head).chain(&mut self.each)
    }

    /// Whether the copied threads are the whole list: each names the next one.
    pub(super) fn is_whole(&self) -> bool {
        let mut expected = self.head.u64_at(0);
        let linked = self.each.iter().all(|thread| {
            let is_next = self.thread_at(thread) == expected;
            expected = self.next(thread);
            is_next
        });
        linked && expected == 0
    }

    /// Follows the list from its head; only threads that were not copied are read.
    pub(super) fn follow(&mut self, pid: u32) -> Result<(), ReadError> {
        let mut known: HashMap<u64, Piece> = self
            .each
            .drain(..)
            .map(|piece| (piece.address.wrapping_sub(u64::from(self.start)), piece))
            .collect();
        let mut thread = self.head.u64_at(0);
        while thread != 0 {
            if self.each.len() >= MOST {
                return Err(ReadError::Nonsense {
                    pid,
                    what: "length of runtime.allm",
                    value: u64::try_from(MOST).unwrap_or(u64::MAX),
                });
            }
            let piece = match known.remove(&thread) {
                Some(piece) => piece,
                None => {
                    let address = thread.wrapping_add(u64::from(self.start));
                    let mut piece = Piece::new(address, self.length);
                    memory::read(pid, &mut [&mut piece])?;
                    piece
                }
            };
            thread = self.next(&piece);
            self.each.push(piece);
        }
        Ok(())
    }

    /// Forgets them: their memory was not readable.
    pub(super) fn forget(&mut self) {
        self.each.clear();
    }

    pub(super) fn totals(&self) -> ThreadTotals {
        let mut totals = ThreadTotals::default();
        for thread in &self.each {
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

    fn thread_at(&self, piece: &Piece) -> u64 {
        piece.address.wrapping_sub(u64::from(self.start))
    }

    fn next(&self, piece: &Piece) -> u64 {
        self.field(piece, self.facts.next)
    }

    fn field(&self, piece: &Piece, offset: u32) -> u64 {
        piece.u64_at(usize::try_from(offset.wrapping_sub(self.start)).unwrap_or(usize::MAX))
    }
}
