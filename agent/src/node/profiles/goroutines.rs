//! One target's goroutines as profiles see them. A profile that hangs keeps this, and nothing else of the
//! target.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{DEADLINE, Tools};
use crate::{
    clock::{MonotonicNanos, UnixNanos},
    config,
    discovery::Process,
    doctor::error_chain,
    identity::Resource,
    node::turn::{Claim, Turn},
    resolve::BinaryInfo,
    runtime::{
        FailedProfile, GoroutineReport, Leak, Leaks,
        profile::{Place, ProfileError, Profiler, Room},
    },
    telemetry::catalog,
};

/// How long a target is left alone whose profile failed: at first so long, then longer each time.
const SHORT_REST: Duration = Duration::from_secs(2);
/// The longest rest.
const LONG_REST: Duration = Duration::from_secs(60);

/// What is known of one target's goroutines.
#[derive(Debug)]
pub(in crate::node) struct Goroutines {
    process: Arc<Process>,
    resource: Arc<Resource>,
    /// Taken while a profile runs or waits for a thread.
    turn: Turn,
    due: Mutex<Instant>,
    watch: Mutex<Watch>,
    /// The last profile.
    latest: Mutex<Option<Arc<GoroutineReport>>>,
}

/// What is remembered from one profile to the next; for who has the turn.
#[derive(Debug)]
struct Watch {
    profiler: Profiler,
    leaks: Leaks,
    /// Profiles in a row that failed.
    failures: u32,
}

impl Goroutines {
    /// Prepares to profile a process; none when nobody wants to, or the binary does not say where its
    /// goroutines are. Reads no memory of the process.
    pub(in crate::node) fn of(
        process: &Arc<Process>,
        binary: &BinaryInfo,
        resource: &Arc<Resource>,
        settings: &config::Runtime,
        room: &Room,
    ) -> Option<Arc<Self>> {
        let wanted = settings.enabled && settings.goroutines.enabled;
        let facts = binary.profile.as_ref().filter(|_| wanted)?;
        let limit = settings.goroutines.limit;
        match Profiler::new(Arc::clone(process), binary, facts, limit, room) {
            Ok(profiler) => Some(Arc::new(Self {
                process: Arc::clone(process),
                resource: Arc::clone(resource),
                turn: Turn::default(),
                due: Mutex::new(Instant::now()),
                watch: Mutex::new(Watch {
                    profiler,
                    leaks: Leaks::default(),
                    failures: 0,
                }),
                latest: Mutex::default(),
            })),
            Err(error) => {
                tracing::warn!(pid = process.id.pid, %error, "the goroutines cannot be read");
                None
            }
        }
    }

    /// The last profile, if there is one.
    pub(in crate::node) fn latest(&self) -> Option<Arc<GoroutineReport>> {
        lock(&self.latest).clone()
    }

    /// When the next profile is due.
    pub(super) fn due(&self) -> Instant {
        *lock(&self.due)
    }

    pub(super) fn put_off(&self, due: Instant) {
        *lock(&self.due) = due;
    }

    /// Takes the right to profile it; none while somebody else has that.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.turn.claim()
    }

    /// Whether it is being profiled, or is about to be.
    pub(super) fn is_claimed(&self) -> bool {
        self.turn.is_taken()
    }

    /// Profiles and publishes, unless the process changed meanwhile; answers how that ended.
    pub(super) fn profile(&self, tools: &Tools) -> &'static str {
        let begun = Instant::now();
        match self.publish(tools) {
            Ok(_) if begun.elapsed() > DEADLINE => "late",
            Ok(report) if report.profile.is_complete() => "complete",
            Ok(_) => "incomplete",
            Err(error) => {
                self.failed(&error, tools.clock.to_unix(MonotonicNanos::now()));
                error.error_type()
            }
        }
    }

    /// Leaves the last good profile in place, with the reason why it is not newer.
    fn failed(&self, error: &ProfileError, at: UnixNanos) {
        let mut watch = lock(&self.watch);
        watch.failures = watch.failures.saturating_add(1);
        self.put_off(Instant::now() + rest(watch.failures));
        let reason = error_chain(error);
        tracing::debug!(pid = self.process.id.pid, reason, "no goroutine profile");
        if let Some(report) = &mut *lock(&self.latest) {
            Arc::make_mut(report).failed = Some(FailedProfile {
                unix_nano: at,
                reason,
            });
        }
    }

    fn publish(&self, tools: &Tools) -> Result<Arc<GoroutineReport>, ProfileError> {
        let mut watch = lock(&self.watch);
        let profile = watch.profiler.profile(&tools.resolver)?;
        watch.failures = 0;
        for leak in watch.leaks.observe(&profile) {
            self.announce(&leak);
            tools
                .telemetry
                .add(&self.resource, &catalog::GOROUTINE_LEAKS, &[], 1.0);
        }
        let leaks = watch.leaks.current();
        tools
            .telemetry
            .update_goroutines(&self.resource, &profile, &leaks);
        let report = Arc::new(GoroutineReport {
            service: self.resource.service_name.clone(),
            taken_unix_nano: tools.clock.to_unix(profile.taken),
            profile,
            leaks,
            failed: None,
        });
        *lock(&self.latest) = Some(Arc::clone(&report));
        Ok(report)
    }

    /// The event that somebody wants to be told of.
    fn announce(&self, leak: &Leak) {
        let site = |place: Option<&Place>| {
            place.map_or_else(
                || "unknown".to_owned(),
                |place| format!("{}:{}", place.file, place.line),
            )
        };
        let function = leak
            .created_by
            .as_ref()
            .map_or("unknown", |place| &*place.function);
        tracing::warn!(
            pid = self.process.id.pid,
            service = self.resource.service_name,
            site = site(leak.created_by.as_ref()),
            function,
            wait_reason = leak.wait_reason,
            goroutines = leak.count,
            per_second = leak.per_second,
            "goroutines leak"
        );
    }
}

/// How long a target rests after so many failures in a row.
fn rest(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
    doubled
        .and_then(|times| SHORT_REST.checked_mul(times))
        .map_or(LONG_REST, |rest| rest.min(LONG_REST))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_fails_once_is_soon_tried_again_and_one_that_always_fails_rests() {
        let seconds: Vec<u64> = (1..=7).map(|failures| rest(failures).as_secs()).collect();
        assert_eq!(seconds, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(rest(u32::MAX), LONG_REST);
    }
}
