//! What goroutines did, aggregated in the kernel by where they were created.

use crate::target::TargetRef;

/// Number of duration buckets: quarters of powers of two from 128 ns to about seven minutes.
pub const DURATIONS: usize = 128;
/// Number of stack size classes: powers of two from 2 KiB on.
pub const STACKS: usize = 32;
/// Power of two, in nanoseconds, at which the first bucket ends.
const FIRST_OCTAVE: u32 = 7;
/// Power of two, in bytes, of the first stack size class.
const FIRST_STACK: u32 = 11;

/// Names one place in one target that creates goroutines.
///
/// # Layout 16 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SiteKey {
    /// The process, in this incarnation.
    pub target: TargetRef,
    /// `runtime.g.gopc`: the return address of the `go` statement's call, an address in the process.
    pub pc: u64,
}

/// What happened to the goroutines of one site while they were watched.
///
/// Traces of goroutines fill all of it, traces of the scheduler `ended` and the durations: a goroutine
/// that gets a processor has ended its wait.
///
/// # Units  nanoseconds, bytes
/// # Layout 1312 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteStats {
    /// Goroutines created.
    pub begun: u64,
    /// Goroutines that exited; waits for a processor that ended.
    pub ended: u64,
    /// Sum of the durations.
    pub duration_ns: u64,
    /// Sum of the stack sizes at exit.
    pub stack_bytes: u64,
    /// Lifetimes or waits whose begin was seen, by [`duration_bucket`].
    pub durations: [u64; DURATIONS],
    /// Exits, by [`stack_class`] of the stack.
    pub stacks: [u64; STACKS],
}

impl SiteStats {
    /// Nothing counted.
    pub const ZERO: Self = Self {
        begun: 0,
        ended: 0,
        duration_ns: 0,
        stack_bytes: 0,
        durations: [0; DURATIONS],
        stacks: [0; STACKS],
    };

    /// What was counted between an earlier reading and this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    /// What was counted here and there.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    fn with(&self, other: &Self, join: fn(u64, u64) -> u64) -> Self {
        let mut joined = *self;
        joined.begun = join(joined.begun, other.begun);
        joined.ended = join(joined.ended, other.ended);
        joined.duration_ns = join(joined.duration_ns, other.duration_ns);
        joined.stack_bytes = join(joined.stack_bytes, other.stack_bytes);
        for (count, more) in joined.durations.iter_mut().zip(&other.durations) {
            *count = join(*count, *more);
        }
        for (count, more) in joined.stacks.iter_mut().zip(&other.stacks) {
            *count = join(*count, *more);
        }
        joined
    }

    /// How many lifetimes or waits have a duration.
    #[must_use]
    pub fn timed(&self) -> u64 {
        self.durations.iter().sum()
    }

    /// The end of the bucket that holds the duration of this rank (in thousandths, 500 for the median), in
    /// nanoseconds: at most a quarter above it. `None` without durations; the last bucket has no end and
    /// reads as its begin.
    #[must_use]
    pub fn duration_at(&self, thousandths: u64) -> Option<u64> {
        let bucket = ranked(&self.durations, thousandths)?;
        duration_bound(bucket).or_else(|| duration_bound(bucket - 1))
    }

    /// The stack size of this rank in bytes; `None` without exits.
    #[must_use]
    pub fn stack_at(&self, thousandths: u64) -> Option<u64> {
        ranked(&self.stacks, thousandths).map(stack_size)
    }
}

/// The place of the count that holds the given rank.
fn ranked(counts: &[u64], thousandths: u64) -> Option<usize> {
    let total: u64 = counts.iter().sum();
    let rank = total.saturating_mul(thousandths).div_ceil(1_000).max(1);
    let mut below = 0;
    counts.iter().position(|count| {
        below += count;
        below >= rank
    })
}

/// The bucket of a duration; the last one has no end.
#[inline(always)]
#[must_use]
pub const fn duration_bucket(ns: u64) -> usize {
    let value = ns.saturating_sub(1);
    if value >> FIRST_OCTAVE == 0 {
        return 0;
    }
    let octave = value.ilog2();
    let quarter = (value >> (octave - 2)) & 3;
    let bucket = 1 + 4 * (octave - FIRST_OCTAVE) as usize + quarter as usize;
    if bucket < DURATIONS {
        bucket
    } else {
        DURATIONS - 1
    }
}

/// The longest duration of a bucket in nanoseconds; `None` for the last one.
#[must_use]
pub const fn duration_bound(bucket: usize) -> Option<u64> {
    if bucket + 1 >= DURATIONS {
        return None;
    }
    if bucket == 0 {
        return Some(1 << FIRST_OCTAVE);
    }
    let octave = FIRST_OCTAVE as usize + (bucket - 1) / 4;
    let quarter = (bucket as u64 - 1) % 4;
    Some((5 + quarter) << (octave - 2))
}

/// The class of a stack size; stacks of Go have sizes that are powers of two.
#[inline(always)]
#[must_use]
pub const fn stack_class(bytes: u64) -> usize {
    if bytes >> FIRST_STACK == 0 {
        return 0;
    }
    (bytes.ilog2() - FIRST_STACK) as usize & (STACKS - 1)
}

/// The stack size of a class in bytes.
#[must_use]
pub const fn stack_size(class: usize) -> u64 {
    1 << (FIRST_STACK as usize + class)
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<SiteKey>() == 16);
    assert!(offset_of!(SiteKey, pc) == 8);
    assert!(size_of::<SiteStats>() == 1312);
    assert!(offset_of!(SiteStats, durations) == 32);
    assert!(offset_of!(SiteStats, stacks) == 1056);
    assert!(DURATIONS.is_power_of_two() && STACKS.is_power_of_two());
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_that_it_ends() {
        for bucket in 0..DURATIONS - 1 {
            let bound = duration_bound(bucket).expect("not the last");
            assert_eq!(duration_bucket(bound), bucket, "{bound}");
            assert_eq!(duration_bucket(bound + 1), bucket + 1, "{bound}");
        }
        assert_eq!(duration_bucket(0), 0);
        assert_eq!(duration_bucket(u64::MAX), DURATIONS - 1);
        assert_eq!(duration_bound(DURATIONS - 1), None);
    }

    #[test]
    fn every_stack_size_has_a_class_of_its_own() {
        for class in 0..STACKS {
            assert_eq!(stack_class(stack_size(class)), class);
        }
        assert_eq!(stack_class(0), 0);
    }

    #[test]
    fn ranks_are_found_in_their_buckets() {
        let mut stats = SiteStats::ZERO;
        assert_eq!((stats.duration_at(500), stats.stack_at(999)), (None, None));
        for ns in [100, 1_000, 1_000, 1_000_000] {
            stats.durations[duration_bucket(ns)] += 1;
        }
        stats.stacks[stack_class(65_536)] += 1;
        assert_eq!(stats.duration_at(250), Some(128));
        assert_eq!(stats.duration_at(500), Some(1_024));
        let longest = stats.duration_at(1_000).expect("four of them");
        assert!((1_000_000..=1_250_000).contains(&longest), "{longest}");
        assert_eq!(stats.stack_at(500), Some(65_536));
        let twice = stats.plus(&stats);
        assert_eq!(twice.timed(), 8);
        assert_eq!(twice.since(&stats), stats);
    }
}
