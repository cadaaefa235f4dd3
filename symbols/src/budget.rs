//! Every bound on the work and memory one binary may cost, in one place.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Reason};

/// Sections beyond this count make the section table unreadable.
pub(crate) const MAX_SECTIONS: usize = 16 * 1024;
/// Longest name of a section that is looked at.
pub(crate) const MAX_SECTION_NAME: usize = 64;
/// Bytes of notes looked at in one segment or section; build ids take 100.
pub(crate) const MAX_NOTES: usize = 64 * 1024;
/// Program headers beyond this count make the file malformed; linkers write about a dozen.
pub(crate) const MAX_SEGMENTS: usize = 64;
/// Symbols or functions beyond this count make their table unusable; an index entry takes 8 bytes.
pub(crate) const MAX_FUNCTIONS: usize = 4 << 20;
/// Function tables looked at where no section header names one; a program may carry others as data.
pub(crate) const MAX_TABLES: usize = 64;
/// Dynamic relocations beyond this count make the file unreadable; an index entry takes 4 bytes.
pub(crate) const MAX_RELOCATIONS: u64 = 8 << 20;
/// A name longer than this is not looked at.
pub(crate) const MAX_NAME: usize = 4 * 1024;
/// Bytes of build information text.
pub(crate) const MAX_BUILD_INFO: u64 = 4 << 20;
/// Modules and settings kept of the build information.
pub(crate) const MAX_MODULES: usize = 64 * 1024;
/// Type descriptors visited for one answer; one that waits to be visited takes 4 bytes.
pub(crate) const MAX_TYPES: u64 = 4 << 20;
/// Bytes of the file for each reference followed from descriptors for one answer, and how many there may
/// be in the smallest file: a reference takes 4 bytes at least, and real ones share none.
pub(crate) const BYTES_PER_EDGE: usize = 4;
pub(crate) const LEAST_EDGES: usize = 64 * 1024;
/// How many times its compressed size a section may have; those of the Go toolchain have 4.
pub(crate) const MAX_RATIO: u64 = 64;
/// Units of debugging information; the place of one takes 8 bytes.
pub(crate) const MAX_UNITS: u64 = 256 * 1024;
/// Longest table of abbreviations of one unit, in bytes; in memory it takes a multiple. Those of the Go
/// toolchain have 600.
pub(crate) const MAX_ABBREVIATIONS: usize = 128 << 10;
/// Attributes of one abbreviation; compilers write about 20. They may take no bytes in an entry.
pub(crate) const MAX_ATTRIBUTES: usize = 64;
/// Bytes of abbreviations read for one answer: this often all there are, and so many more. Each table is
/// read once where the units that share one follow each other.
pub(crate) const ABBREVIATION_READS: u64 = 16;
pub(crate) const MORE_ABBREVIATIONS: u64 = 4 << 20;
/// Runs of pc tables read for the source lines of one address.
pub(crate) const MAX_FRAME_STEPS: u64 = 4 << 20;
/// Inlined calls around one instruction.
pub(crate) const MAX_INLINE_DEPTH: usize = 256;
/// Runs of pc tables and inlined calls read for the copies of inlined functions.
pub(crate) const MAX_INLINE_STEPS: u64 = 64 << 20;
/// Different functions that were inlined somewhere; an index entry takes 16 bytes.
pub(crate) const MAX_INLINED_NAMES: usize = 256 * 1024;
/// Bytes of a function decoded in search of its returns and calls.
pub(crate) const MAX_FUNCTION: u64 = 16 << 20;
/// Branch targets kept of one function.
pub(crate) const MAX_TARGETS: usize = 1 << 20;
/// Calls of one function in another for which a place behind them is kept.
pub(crate) const MAX_CALLS: usize = 4096;
/// Instructions looked at behind a call.
pub(crate) const MAX_AFTER_CALL: usize = 64;
/// Instructions decoded in search of a probe site.
pub(crate) const MAX_PROLOGUE: usize = 8;
/// Bytes searched for one step of work.
pub(crate) const SEARCHED_PER_STEP: usize = 64;
/// Steps between two looks at the clock; a power of two.
const STEPS_PER_LOOK: u64 = 1 << 14;

/// What one binary may cost, all questions together.
///
/// The defaults are several times what the largest real binaries need: 738 MB of plain debugging
/// information, function tables of 144 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that come out of compression.
    pub expanded_bytes: u64,
    /// Steps of work. A step is an entry of a table, a debugging entry, a type descriptor, an
    /// instruction, or 64 bytes searched.
    pub steps: u64,
    /// Bytes of names compared or hashed.
    pub name_bytes: u64,
    /// Bytes that one answer may keep, such as fields and their names.
    pub answer_bytes: u64,
    /// Wall time from the moment the file is given to [`crate::GoBinary::parse_with`]. A binary held for
    /// longer answers every question that takes more than a few steps with this limit.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expanded_bytes: 2 << 30,
            steps: 2 << 30,
            name_bytes: 2 << 30,
            answer_bytes: 16 << 20,
            time: Duration::from_secs(20),
        }
    }
}

/// What one binary has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// Bytes that came out of compression.
    pub expanded_bytes: u64,
    /// Steps of work.
    pub steps: u64,
    /// Bytes of names compared or hashed.
    pub name_bytes: u64,
}

/// What ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted {
    pub(crate) what: &'static str,
    pub(crate) limit: u64,
}

impl From<Exhausted> for Reason {
    fn from(Exhausted { what, limit }: Exhausted) -> Self {
        Self::Limit { what, limit }
    }
}

impl From<Exhausted> for Error {
    fn from(Exhausted { what, limit }: Exhausted) -> Self {
        Self::Limit { what, limit }
    }
}

/// Counts what the questions about one binary cost, and refuses more than its limits.
///
/// The counts are exact for questions asked one after the other. Threads that ask at once may lose some
/// of each other's steps; the clock holds for all of them.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    started: Instant,
    late: AtomicBool,
    expanded_bytes: AtomicU64,
    steps: AtomicU64,
    name_bytes: AtomicU64,
}

impl Budget {
    /// Starts the clock.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            started: Instant::now(),
            late: AtomicBool::new(false),
            expanded_bytes: AtomicU64::new(0),
            steps: AtomicU64::new(0),
            name_bytes: AtomicU64::new(0),
        }
    }

    /// Spends steps of work, and looks at the clock now and then.
    pub(crate) fn steps(&self, count: u64) -> Result<(), Exhausted> {
        if self.late.load(Ordering::Relaxed) {
            return Err(self.too_late());
        }
        let before = take(&self.steps, count, "steps of work", self.limits.steps)?;
        let after = before.saturating_add(count);
        if before / STEPS_PER_LOOK == after / STEPS_PER_LOOK {
            return Ok(());
        }
        self.look()
    }

    /// Spends the work of searching through `length` bytes.
    pub(crate) fn search(&self, length: usize) -> Result<(), Exhausted> {
        self.steps((length / SEARCHED_PER_STEP).saturating_add(1) as u64)
    }

    /// Spends the work of sorting `length` entries.
    pub(crate) fn sort(&self, length: usize) -> Result<(), Exhausted> {
        let length = length as u64;
        let rounds = u64::from(length.checked_ilog2().unwrap_or(0));
        self.steps(length.saturating_mul(rounds))
    }

    /// Spends a step and the bytes of a name that is compared or hashed.
    pub(crate) fn name(&self, length: usize) -> Result<(), Exhausted> {
        let limit = self.limits.name_bytes;
        take(&self.name_bytes, length as u64, "bytes of names", limit)?;
        self.steps(1)
    }

    /// Spends bytes that came out of compression, and looks at the clock.
    pub(crate) fn expand(&self, length: usize) -> Result<(), Exhausted> {
        let limit = self.limits.expanded_bytes;
        take(&self.expanded_bytes, length as u64, "expanded bytes", limit)?;
        self.look()
    }

    /// Allows one answer to keep bytes in memory.
    pub(crate) fn answer(&self) -> Allowance<'_> {
        self.allow("bytes of answers", self.limits.answer_bytes)
    }

    /// Allows one answer `limit` units of `what`, which are steps of work as well.
    pub(crate) fn allow(&self, what: &'static str, limit: u64) -> Allowance<'_> {
        Allowance {
            budget: self,
            what,
            limit,
            left: limit,
        }
    }

    /// Answers what was spent so far.
    pub(crate) fn spent(&self) -> Spent {
        Spent {
            expanded_bytes: self.expanded_bytes.load(Ordering::Relaxed),
            steps: self.steps.load(Ordering::Relaxed),
            name_bytes: self.name_bytes.load(Ordering::Relaxed),
        }
    }

    fn look(&self) -> Result<(), Exhausted> {
        if self.started.elapsed() <= self.limits.time {
            return Ok(());
        }
        self.late.store(true, Ordering::Relaxed);
        Err(self.too_late())
    }

    fn too_late(&self) -> Exhausted {
        Exhausted {
            what: "milliseconds since the file was opened",
            limit: u64::try_from(self.limits.time.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Adds to a counter and answers what it was; a sum beyond the limit is refused and not counted.
fn take(counter: &AtomicU64, count: u64, what: &'static str, limit: u64) -> Result<u64, Exhausted> {
    let before = counter.load(Ordering::Relaxed);
    let after = before.checked_add(count).filter(|&after| after <= limit);
    counter.store(after.ok_or(Exhausted { what, limit })?, Ordering::Relaxed);
    Ok(before)
}

/// What one answer may cost, beside what all of them may.
#[derive(Debug)]
pub(crate) struct Allowance<'b> {
    budget: &'b Budget,
    what: &'static str,
    limit: u64,
    left: u64,
}

impl Allowance<'_> {
    /// Spends units of the answer and as many steps of the whole.
    pub(crate) fn spend(&mut self, units: u64) -> Result<(), Exhausted> {
        let (what, limit) = (self.what, self.limit);
        let left = self.left.checked_sub(units);
        self.left = left.ok_or(Exhausted { what, limit })?;
        self.budget.steps(units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(what: &'static str, limit: u64) -> Result<(), Exhausted> {
        Err(Exhausted { what, limit })
    }

    #[test]
    fn what_is_refused_is_named_and_not_counted() {
        let budget = Budget::new(Limits {
            steps: 3,
            name_bytes: 2,
            ..Limits::default()
        });
        assert_eq!(budget.steps(2), Ok(()));
        assert_eq!(budget.steps(u64::MAX), limit("steps of work", 3));
        assert_eq!(budget.name(3), limit("bytes of names", 2));
        assert_eq!(budget.name(2), Ok(()));
        assert_eq!(budget.steps(1), limit("steps of work", 3));
        let (steps, name_bytes) = (budget.spent().steps, budget.spent().name_bytes);
        assert_eq!((steps, name_bytes), (3, 2));
    }

    #[test]
    fn an_answer_has_a_limit_of_its_own_and_spends_from_all() {
        let budget = Budget::new(Limits {
            steps: 5,
            ..Limits::default()
        });
        let mut first = budget.allow("units", 3);
        assert_eq!(first.spend(3), Ok(()));
        assert_eq!(first.spend(1), limit("units", 3));
        assert_eq!(budget.allow("units", 3).spend(3), limit("steps of work", 5));
    }

    #[test]
    fn the_clock_is_read_now_and_then_and_stays_late() {
        let budget = Budget::new(Limits {
            time: Duration::ZERO,
            ..Limits::default()
        });
        let late = limit("milliseconds since the file was opened", 0);
        assert_eq!(budget.steps(1), Ok(()));
        assert_eq!(budget.steps(STEPS_PER_LOOK), late);
        assert_eq!(budget.steps(1), late);
        assert_eq!(budget.expand(1), late);
    }
}
