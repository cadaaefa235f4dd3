//! One target's goroutines as profiles see them. A profile that hangs keeps this, and nothing else of the
//! target.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{DEADLINE, Tools};
use crate::{
    config,
    discovery::Process,
    identity::Resource,
    node::turn::{Claim, Turn},
    resolve::BinaryInfo,
    runtime::{
        GoroutineReport, Leak, Leaks,
        profile::{Place, ProfileError, Profiler, Room},
    },
    telemetry::catalog,
};

/// How long a target is left alone whose profile failed.
const REST: Duration = Duration::from_secs(60);

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
                self.put_off(Instant::now() + REST);
                tracing::debug!(pid = self.process.id.pid, %error, "no goroutine profile");
                error.error_type()
            }
        }
    }

    fn publish(&self, tools: &Tools) -> Result<Arc<GoroutineReport>, ProfileError> {
        let mut watch = lock(&self.watch);
        let profile = watch.profiler.profile(&tools.resolver)?;
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
