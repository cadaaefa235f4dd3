//! One target as the readers see it. A reading that hangs keeps this, and nothing else of the target.

use std::{
    fmt, io,
    sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use super::DEADLINE;
use crate::{
    discovery::{Process, Procfs, Usage},
    identity::Resource,
    node::turn::{Claim, Turn},
    recent::GcTimeline,
    runtime::{Reader, RuntimeReading},
    telemetry::Telemetry,
};

/// Least time between two looks at what a process uses, for which its descriptors are counted.
const USAGE_INTERVAL: Duration = Duration::from_secs(5);

/// What the ticks of all intervals count from.
static FIRST_TICK: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When the machine was started, read once.
static BOOT_SECONDS: OnceLock<f64> = OnceLock::new();

/// A process whose runtime can be read.
pub(in crate::node) struct Readable {
    process: Arc<Process>,
    resource: Arc<Resource>,
    timeline: Arc<GcTimeline>,
    reader: Mutex<Reader>,
    /// Taken while a reading runs or waits for a thread.
    turn: Turn,
    schedule: Mutex<Schedule>,
    usage_due: Mutex<Instant>,
}

/// When it is read.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    interval: Duration,
    due: Instant,
}

impl fmt::Debug for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readable")
            .field("pid", &self.process.id.pid)
            .field("schedule", &*self.schedule())
            .finish_non_exhaustive()
    }
}

impl Readable {
    pub(in crate::node) fn new(
        process: Arc<Process>,
        resource: Arc<Resource>,
        timeline: Arc<GcTimeline>,
        reader: Reader,
        interval: Duration,
    ) -> Self {
        Self {
            process,
            resource,
            timeline,
            reader: Mutex::new(reader),
            turn: Turn::default(),
            schedule: Mutex::new(Schedule {
                interval,
                due: next_tick(Instant::now(), interval),
            }),
            usage_due: Mutex::new(Instant::now()),
        }
    }

    /// Whether its time has come; if so, the next one is at the next tick, with nothing caught up.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let mut schedule = self.schedule();
        if now < schedule.due {
            return false;
        }
        schedule.due = next_tick(now, schedule.interval);
        true
    }

    pub(super) fn due(&self) -> Instant {
        self.schedule().due
    }

    /// Reads it at another interval from now on.
    pub(in crate::node) fn read_every(&self, interval: Duration) {
        let mut schedule = self.schedule();
        if schedule.interval != interval {
            let due = next_tick(Instant::now(), interval);
            *schedule = Schedule { interval, due };
        }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the right to read it; none while somebody else has that.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.turn.claim()
    }

    /// Whether what the process uses is old enough to be read again.
    fn usage_is_due(&self, now: Instant) -> bool {
        let mut due = self
            .usage_due
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_due = now >= *due;
        if is_due {
            *due = now + USAGE_INTERVAL;
        }
        is_due
    }

    fn usage(&self) -> io::Result<Usage> {
        let procfs = Procfs::default();
        let boot_seconds = match BOOT_SECONDS.get() {
            Some(known) => *known,
            None => {
                let told = procfs.boot_seconds()?;
                *BOOT_SECONDS.get_or_init(|| told)
            }
        };
        procfs.usage(self.process.id.pid, boot_seconds)
    }

    /// Reads and publishes, unless the process changed meanwhile.
    pub(super) fn read(&self, telemetry: &Telemetry, claim: Claim) {
        let begun = Instant::now();
        // Before the reading, at whose end the process is checked to be the same.
        let shows_usage = telemetry.shows_classic_names() && self.usage_is_due(begun);
        let usage = shows_usage.then(|| self.usage());
        let result = {
            let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.read()
        };
        match result {
            Ok(reading) => {
                telemetry.own().reading(outcome(&reading, begun.elapsed()));
                self.timeline
                    .ring(&reading.new_gc_cycles, reading.gc_pauses_lost);
                telemetry.update_runtime(&self.resource, reading);
                if let Some(Ok(usage)) = usage {
                    telemetry.update_usage(&self.resource, usage);
                }
            }
            Err(error) => {
                telemetry.own().reading(error.error_type());
                tracing::debug!(pid = self.process.id.pid, %error, "cannot read the Go runtime");
            }
        }
        drop(claim);
    }
}

/// The next time at which targets of an interval are read. It is the same one for all of them: the agent wakes
/// up once for all, and their readings find its code and tables in the caches.
fn next_tick(now: Instant, interval: Duration) -> Instant {
    let since = now.saturating_duration_since(*FIRST_TICK);
    let part = since.as_nanos() % interval.as_nanos().max(1);
    let part = Duration::from_nanos(u64::try_from(part).unwrap_or_default());
    now + interval.saturating_sub(part)
}

/// How a reading ended. A late one is as true as any: its parts were compared when it was there.
fn outcome(reading: &RuntimeReading, took: Duration) -> &'static str {
    if took > DEADLINE {
        "late"
    } else if reading.complete {
        "complete"
    } else {
        "incomplete"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_one_interval_are_read_at_the_same_time() {
        let interval = Duration::from_millis(100);
        let now = *FIRST_TICK + 7 * interval;
        let tick = next_tick(now + Duration::from_millis(1), interval);
        assert_eq!(tick, now + interval);
        assert_eq!(next_tick(now + Duration::from_millis(99), interval), tick);
        assert_eq!(next_tick(now, interval), tick, "not twice at one tick");
        assert_eq!(next_tick(tick, 2 * interval), tick + 2 * interval);
    }
}
