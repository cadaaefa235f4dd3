//! Every bound on the work and memory one binary may cost, in one place.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::Reason;

/// Sections beyond this count make the section table unreadable.
pub(crate) const MAX_SECTIONS: usize = 16 * 1024;
/// Program headers beyond this count make the file malformed.
pub(crate) const MAX_SEGMENTS: usize = 4 * 1024;
/// Symbols or functions beyond this count make their table unusable; an index entry takes 8 bytes.
pub(crate) const MAX_FUNCTIONS: usize = 4 << 20;
/// Dynamic relocations beyond this count are not indexed; an index entry takes 4 bytes.
pub(crate) const MAX_RELOCATIONS: usize = 16 << 20;
/// A name longer than this is not looked at.
pub(crate) const MAX_NAME: usize = 4 * 1024;
/// Bytes of build information text.
pub(crate) const MAX_BUILD_INFO: u64 = 4 << 20;
/// Modules and settings kept of the build information.
pub(crate) const MAX_MODULES: usize = 64 * 1024;
/// Type descriptors visited.
pub(crate) const MAX_TYPES: u64 = 2 << 20;
/// Tables of abbreviations read; all units of a Go program share one.
pub(crate) const MAX_UNITS: usize = 256 * 1024;
/// A table of abbreviations larger than this is not expanded; in memory it takes a multiple.
pub(crate) const MAX_ABBREVIATIONS: u64 = 16 << 20;
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
    /// Bytes of answers kept, such as fields and their names.
    pub kept_bytes: u64,
    /// Wall time from the moment the file is given to [`crate::GoBinary::parse_with`]. A binary held for
    /// longer answers every question that takes more than a few steps with this limit.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expanded_bytes: 2 << 30,
            steps: 2 << 30,
            name_bytes: 8 << 30,
            kept_bytes: 32 << 20,
            time: Duration::from_secs(60),
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
    /// Bytes of answers kept.
    pub kept_bytes: u64,
}

/// Counts what the questions about one binary cost, and refuses more than its limits.
///
/// What has run out stays so: every later question that spends of it gets the same reason.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    started: Instant,
    late: AtomicBool,
    expanded_bytes: AtomicU64,
    steps: AtomicU64,
    name_bytes: AtomicU64,
    kept_bytes: AtomicU64,
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
            kept_bytes: AtomicU64::new(0),
        }
    }

    /// Spends steps of work, and looks at the clock now and then.
    pub(crate) fn steps(&self, count: u64) -> Result<(), Reason> {
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
    pub(crate) fn search(&self, length: usize) -> Result<(), Reason> {
        self.steps((length / SEARCHED_PER_STEP).saturating_add(1) as u64)
    }

    /// Spends bytes of names that are compared or hashed.
    pub(crate) fn names(&self, length: usize) -> Result<(), Reason> {
        let limit = self.limits.name_bytes;
        take(&self.name_bytes, length as u64, "bytes of names", limit).map(drop)
    }

    /// Spends bytes that stay in memory with an answer.
    pub(crate) fn keep(&self, length: u64) -> Result<(), Reason> {
        let limit = self.limits.kept_bytes;
        take(&self.kept_bytes, length, "bytes of answers", limit).map(drop)
    }

    /// Spends bytes that came out of compression, and looks at the clock.
    pub(crate) fn expand(&self, length: usize) -> Result<(), Reason> {
        let limit = self.limits.expanded_bytes;
        take(&self.expanded_bytes, length as u64, "expanded bytes", limit)?;
        self.look()
    }

    /// Answers what was spent so far.
    pub(crate) fn spent(&self) -> Spent {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Spent {
            expanded_bytes: count(&self.expanded_bytes),
            steps: count(&self.steps),
            name_bytes: count(&self.name_bytes),
            kept_bytes: count(&self.kept_bytes),
        }
    }

    fn look(&self) -> Result<(), Reason> {
        if self.started.elapsed() <= self.limits.time {
            return Ok(());
        }
        self.late.store(true, Ordering::Relaxed);
        Err(self.too_late())
    }

    fn too_late(&self) -> Reason {
        Reason::Limit {
            what: "milliseconds since the file was opened",
            limit: u64::try_from(self.limits.time.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Adds to a counter and answers what it was; one that would pass its limit stays at the limit.
fn take(counter: &AtomicU64, count: u64, what: &'static str, limit: u64) -> Result<u64, Reason> {
    let sum = |before: u64| before.checked_add(count).filter(|&after| after <= limit);
    let taken = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
    taken.map_err(|_refused| {
        counter.store(limit, Ordering::Relaxed);
        Reason::Limit { what, limit }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(what: &'static str, limit: u64) -> Result<(), Reason> {
        Err(Reason::Limit { what, limit })
    }

    #[test]
    fn a_spent_budget_names_its_limit_and_stays_spent() {
        let budget = Budget::new(Limits {
            steps: 3,
            name_bytes: 2,
            ..Limits::default()
        });
        assert_eq!(budget.steps(2), Ok(()));
        assert_eq!(budget.steps(u64::MAX), limit("steps of work", 3));
        assert_eq!(budget.steps(1), limit("steps of work", 3));
        assert_eq!(budget.names(2), Ok(()));
        assert_eq!(budget.names(1), limit("bytes of names", 2));
        assert_eq!(budget.keep(1), Ok(()));
    }

    #[test]
    fn the_clock_is_read_now_and_then() {
        let budget = Budget::new(Limits {
            time: Duration::ZERO,
            ..Limits::default()
        });
        let late = limit("milliseconds since the file was opened", 0);
        assert_eq!(budget.steps(1), Ok(()));
        assert_eq!(budget.steps(STEPS_PER_LOOK), late);
        assert_eq!(budget.steps(1), late);
    }
}
