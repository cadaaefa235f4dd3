//! The number of goroutines, as `runtime.NumGoroutine` computes it.
//!
//! Ended goroutines move between the lists of processors and the global one in batches of 32, so a
//! copy may count a batch twice or not at all. Two equal counts are taken as the truth, else the
//! middle one of three.

use super::{
    GoroutineFacts, ReadError,
    memory::{self, Piece},
};

/// Most processors that are believed.
const PROCESSORS: u64 = 65_536;

/// The copied variables; the processors are looked up again whenever their table changes.
#[derive(Debug)]
pub(super) struct Goroutines {
    pid: u32,
    allglen: Piece,
    table: Piece,
    system: Piece,
    global_free: Vec<Piece>,
    processors: Vec<Piece>,
    /// Address and length of the table that `processors` was read from.
    known_table: (u64, u64),
    processor_free: u32,
}

impl Goroutines {
    pub(super) fn new(pid: u32, facts: &GoroutineFacts, base: u64) -> Self {
        let at = |variable: u64, offset: u32| {
            base.wrapping_add(variable).wrapping_add(u64::from(offset))
        };
        Self {
            pid,
            allglen: Piece::new(at(facts.allglen, 0), 8),
            table: Piece::new(at(facts.allp, 0), 16),
            system: Piece::new(at(facts.sched, facts.ngsys), 4),
            global_free: facts
                .global_free
                .iter()
                .map(|offset| Piece::new(at(facts.sched, *offset), 4))
                .collect(),
            processors: Vec::new(),
            known_table: (0, 0),
            processor_free: facts.processor_free,
        }
    }

    /// Counts; none while the table of processors changes under the reading.
    pub(super) fn count(&mut self) -> Result<Option<u64>, ReadError> {
        let (Some(first), Some(second)) = (self.count_once()?, self.count_once()?) else {
            return Ok(None);
        };
        if first == second {
            return Ok(Some(first));
        }
        let Some(third) = self.count_once()? else {
            return Ok(None);
        };
        let mut counts = [first, second, third];
        counts.sort_unstable();
        Ok(Some(counts[1]))
    }

    fn count_once(&mut self) -> Result<Option<u64>, ReadError> {
        for _attempt in 0..3 {
            let mut order = vec![&mut self.allglen, &mut self.table, &mut self.system];
            order.extend(&mut self.global_free);
            order.extend(&mut self.processors);
            memory::read(self.pid, &mut order)?;
            let table = (self.table.u64_at(0), self.table.u64_at(8));
            if table == self.known_table {
                return Ok(self.sum());
            }
            self.look_up_processors(table)?;
        }
        Ok(None)
    }

    /// All goroutines ever made, less those that are free for use again and the runtime's own.
    fn sum(&self) -> Option<u64> {
        let free: u64 = self
            .global_free
            .iter()
            .chain(&self.processors)
            .map(|list| u64::from(list.u32_at(0)))
            .sum();
        let system = u64::from(self.system.u32_at(0));
        let all = self.allglen.u64_at(0);
        all.checked_sub(free.checked_add(system)?)
    }

    fn look_up_processors(&mut self, (address, length): (u64, u64)) -> Result<(), ReadError> {
        if length > PROCESSORS {
            return Err(ReadError::Nonsense {
                pid: self.pid,
                what: "len(runtime.allp)",
                value: length,
            });
        }
        let length = usize::try_from(length).unwrap_or_default();
        let mut pointers = Piece::new(address, 8 * length);
        if length != 0 {
            memory::read(self.pid, &mut [&mut pointers])?;
        }
        self.processors = (0..length)
            .map(|index| pointers.u64_at(8 * index))
            .filter(|processor| *processor != 0)
            .map(|processor| Piece::new(processor.wrapping_add(u64::from(self.processor_free)), 4))
            .collect();
        self.known_table = (address, u64::try_from(length).unwrap_or_default());
        Ok(())
    }
}
