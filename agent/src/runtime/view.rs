//! One copy of a runtime's variables, as the formulas of figures see it.

use serde::Serialize;

use super::{
    cells::Cell, copies::Copies, gc::GcCopy, heap::HeapTotals, memory::Copied,
    processors::ProcessorTotals, threads::ThreadTotals,
};

/// Why a reading lacks a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// The program's release of Go does not keep it.
    Release,
    /// The release keeps it, and the binary does not tell where.
    Unknown,
    /// The program changed it while it was read, again and again.
    Moving,
    /// It is switched off, or has not happened yet.
    Off,
}

/// A copy with its sums.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) minor: u32,
    pub(super) copies: &'a Copies,
    pub(super) copied: Copied<'a>,
    pub(super) gc: &'a GcCopy,
    pub(super) goroutines: Result<u64, Absence>,
    pub(super) heap: Result<&'a HeapTotals, Absence>,
    pub(super) processors: Result<ProcessorTotals, Absence>,
    pub(super) threads: Result<ThreadTotals, Absence>,
}

impl View<'_> {
    pub(super) fn cell(&self, cell: Cell) -> Result<u64, Absence> {
        let lacking = if cell.place().is_in(self.minor) {
            Absence::Unknown
        } else {
            Absence::Release
        };
        self.copies.get(self.copied, cell).ok_or(lacking)
    }

    /// A number of things that the runtime keeps with a sign.
    pub(super) fn count(&self, cell: Cell) -> Result<u64, Absence> {
        self.cell(cell).and_then(not_negative)
    }

    /// A number whose field was renamed: a release has one of the two.
    pub(super) fn either(&self, new: Cell, old: Cell) -> Result<u64, Absence> {
        match self.cell(old) {
            Err(Absence::Release) => self.cell(new),
            found => found,
        }
    }

    /// What is left of one number without another, which the program changes later than the first.
    pub(super) fn difference(&self, whole: Cell, part: Cell) -> Result<u64, Absence> {
        let (whole, part) = (self.cell(whole)?, self.cell(part)?);
        whole.checked_sub(part).ok_or(Absence::Moving)
    }

    pub(super) fn heap(&self) -> Result<&HeapTotals, Absence> {
        self.heap
    }

    pub(super) fn processors(&self) -> Result<ProcessorTotals, Absence> {
        self.processors
    }

    /// How many processors are in a state, by the runtime's number of it.
    pub(super) fn processors_in(&self, state: usize) -> Result<u64, Absence> {
        let states = self.processors()?.states;
        states.get(state).copied().ok_or(Absence::Release)
    }

    pub(super) fn threads(&self) -> Result<ThreadTotals, Absence> {
        self.threads
    }
}

/// A number of things that was widened with its sign: one that is negative was read half way.
pub(super) fn not_negative(count: u64) -> Result<u64, Absence> {
    match count.cast_signed() < 0 {
        true => Err(Absence::Moving),
        false => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_count_is_no_number() {
        assert_eq!(not_negative(3), Ok(3));
        assert_eq!(not_negative(u64::MAX), Err(Absence::Moving));
        assert_eq!(not_negative((-7_i64).cast_unsigned()), Err(Absence::Moving));
    }
}
