//! One target as the readers see it. A reading that hangs keeps this, and nothing else of the target.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::DEADLINE;
use crate::{
    discovery::{Process, Procfs},
    identity::Resource,
    node::turn::{Claim, Turn},
    recent::GcTimeline,
    runtime::{Reader, RuntimeReading},
    telemetry::Telemetry,
};

/// A process whose runtime can be read.
pub(in crate::node) struct Readable {
    process: Arc<Process>,
    resource: Arc<Resource>,
    timeline: Arc<GcTimeline>,
    reader: Mutex<Reader>,
    /// Taken while a reading runs or waits for a thread.
    turn: Turn,
    interval: Duration,
    due: Mutex<Instant>,
}

impl fmt::Debug for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readable")
            .field("pid", &self.process.id.pid)
            .field("interval", &self.interval)
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
            interval,
            due: Mutex::new(Instant::now() + interval),
        }
    }

    /// Whether its time has come; if so, the next one is an interval later, with nothing caught up.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if now < *due {
            return false;
        }
        *due = (*due + self.interval).max(now);
        true
    }

    pub(super) fn due(&self) -> Instant {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the right to read it; none while somebody else has that.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.turn.claim()
    }

    /// Reads and publishes, unless the process changed meanwhile.
    pub(super) fn read(&self, telemetry: &Telemetry, claim: Claim) {
        let begun = Instant::now();
        // Before the reading, at whose end the process is checked to be the same.
        let usage = telemetry
            .shows_classic_names()
            .then(|| Procfs::default().usage(self.process.id.pid));
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
