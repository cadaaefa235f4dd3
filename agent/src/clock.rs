//! Monotonic inside, wall clock at the edge, converted once.

use std::{
    collections::VecDeque,
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct UnixNanos(pub u64);

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of the kernel side and of the Go runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonotonicNanos(pub u64);

impl UnixNanos {
    /// The wall clock now.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl MonotonicNanos {
    /// `CLOCK_MONOTONIC` now.
    #[must_use]
    pub fn now() -> Self {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a valid, writable timespec; CLOCK_MONOTONIC exists on every Linux.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
        Self(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
    }
}

/// Processor time that the calling thread has used.
#[must_use]
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid, writable timespec; every Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::from_secs(time.tv_sec.unsigned_abs())
        + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

/// How many offsets are remembered: ten minutes at one a second.
const HISTORY: usize = 600;

/// Converts monotonic times with the offset that was true at that time, so that a step of the wall
/// clock in the middle of a trace moves nothing already recorded.
#[derive(Debug)]
pub struct Clock {
    /// (monotonic time of the sample, wall clock - monotonic), oldest first, never empty.
    offsets: Mutex<VecDeque<(MonotonicNanos, u64)>>,
}

impl Clock {
    /// A clock with one sample.
    #[must_use]
    pub fn new() -> Self {
        Self {
            offsets: Mutex::new(VecDeque::from([sample()])),
        }
    }

    /// Takes a sample; the agent calls this once a second.
    pub fn tick(&self) {
        let mut offsets = self.lock();
        if offsets.len() == HISTORY {
            offsets.pop_front();
        }
        offsets.push_back(sample());
    }

    /// The wall clock time of a monotonic time.
    #[must_use]
    pub fn to_unix(&self, time: MonotonicNanos) -> UnixNanos {
        let offsets = self.lock();
        let at_or_before = offsets.partition_point(|(taken, _)| *taken <= time);
        let (_, offset) = offsets[at_or_before.saturating_sub(1)];
        UnixNanos(time.0.saturating_add(offset))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(MonotonicNanos, u64)>> {
        self.offsets
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

fn sample() -> (MonotonicNanos, u64) {
    let before = MonotonicNanos::now();
    let wall = UnixNanos::now();
    let after = MonotonicNanos::now();
    let middle = before.0 + (after.0 - before.0) / 2;
    (MonotonicNanos(middle), wall.0.saturating_sub(middle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_keeps_the_offset_that_was_true_then() {
        let clock = Clock {
            offsets: Mutex::new(VecDeque::from([
                (MonotonicNanos(100), 1_000),
                (MonotonicNanos(200), 9_000),
            ])),
        };
        assert_eq!(clock.to_unix(MonotonicNanos(50)), UnixNanos(1_050));
        assert_eq!(clock.to_unix(MonotonicNanos(199)), UnixNanos(1_199));
        assert_eq!(clock.to_unix(MonotonicNanos(200)), UnixNanos(9_200));
    }
}
