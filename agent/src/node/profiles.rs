//! Profiles the goroutines of every target once per interval, and says which of them leak.

use std::{
    sync::{Arc, Mutex, PoisonError, TryLockError},
    time::{Duration, Instant},
};

use tokio::time::MissedTickBehavior;

use super::target::{Table, Target};
use crate::{
    clock::{Clock, thread_cpu_time},
    config,
    discovery::Process,
    resolve::{BinaryInfo, Resolver},
    runtime::{
        GoroutineReport, Leak, Leaks,
        profile::{Place, Profiler},
    },
    telemetry::{Telemetry, catalog},
};

/// A target that has not answered for so long is left behind until it has.
const PATIENCE: Duration = Duration::from_secs(2);
/// A profile may use one part in so many of a processor's time; a large target is read less often.
const SHARE: u32 = 100;
/// How long a target is left alone whose profile failed.
const REST: Duration = Duration::from_secs(60);

/// What is known of one target's goroutines.
#[derive(Debug, Default)]
pub(super) struct Goroutines {
    /// None where the binary does not say where they are, or nobody wants to know. Held while they are read.
    watch: Mutex<Option<Watch>>,
    /// The last profile.
    latest: Mutex<Option<Arc<GoroutineReport>>>,
}

#[derive(Debug)]
struct Watch {
    profiler: Profiler,
    leaks: Leaks,
    due: Instant,
}

impl Goroutines {
    /// Prepares to profile a process, unless that is switched off or cannot be.
    pub(super) fn of(
        process: &Arc<Process>,
        binary: &BinaryInfo,
        settings: &config::Runtime,
    ) -> Self {
        let wanted = settings.enabled && settings.goroutines.enabled;
        let Some(facts) = binary.profile.as_ref().filter(|_| wanted) else {
            return Self::default();
        };
        let limit = settings.goroutines.limit;
        match Profiler::new(Arc::clone(process), binary, facts, limit) {
            Ok(profiler) => Self {
                watch: Mutex::new(Some(Watch {
                    profiler,
                    leaks: Leaks::default(),
                    due: Instant::now(),
                })),
                latest: Mutex::default(),
            },
            Err(error) => {
                tracing::warn!(pid = process.id.pid, %error, "the goroutines cannot be read");
                Self::default()
            }
        }
    }

    /// The last profile, if there is one.
    pub(super) fn latest(&self) -> Option<Arc<GoroutineReport>> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.as_ref().map(Arc::clone)
    }

    fn put(&self, report: GoroutineReport) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some(Arc::new(report));
    }
}

/// What profiles are taken with.
#[derive(Clone)]
pub(super) struct Profiles {
    pub(super) table: Arc<Table>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) clock: Arc<Clock>,
}

impl Profiles {
    /// Profiles one target after the other every `period`, off the async threads.
    pub(super) async fn run(self, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for target in self.table.live() {
                let pid = target.process.id.pid;
                let profiles = self.clone();
                let work = tokio::task::spawn_blocking(move || profiles.take(&target));
                match tokio::time::timeout(PATIENCE, work).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(pid, %error, "a goroutine profile panicked"),
                    // It goes on by itself; the next round finds it still at work.
                    Err(_) => tracing::debug!(pid, "a goroutine profile takes long"),
                }
            }
        }
    }

    /// Profiles one target and publishes the result, unless the process changed meanwhile.
    fn take(&self, target: &Target) {
        let mut watch = match target.goroutines.watch.try_lock() {
            Ok(watch) => watch,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let Some(watch) = watch.as_mut().filter(|watch| watch.due <= Instant::now()) else {
            return;
        };
        let before = thread_cpu_time();
        let profile = match watch.profiler.profile(&self.resolver) {
            Ok(profile) => profile,
            Err(error) => {
                tracing::debug!(pid = target.process.id.pid, %error, "no goroutine profile");
                watch.due = Instant::now() + REST;
                return;
            }
        };
        for leak in watch.leaks.observe(&profile) {
            announce(target, &leak);
            self.telemetry
                .add(&target.resource, &catalog::GOROUTINE_LEAKS, &[], 1.0);
        }
        let leaks = watch.leaks.current();
        self.telemetry
            .update_goroutines(&target.resource, &profile, &leaks);
        target.goroutines.put(GoroutineReport {
            service: target.resource.service_name.clone(),
            taken_unix_nano: self.clock.to_unix(profile.taken),
            profile,
            leaks,
        });
        let spent = thread_cpu_time().saturating_sub(before);
        watch.due = Instant::now() + spent.saturating_mul(SHARE).saturating_sub(spent);
    }
}

/// The event that somebody wants to be told of.
fn announce(target: &Target, leak: &Leak) {
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
        pid = target.process.id.pid,
        service = target.resource.service_name,
        site = site(leak.created_by.as_ref()),
        function,
        wait_reason = leak.wait_reason,
        goroutines = leak.count,
        per_second = leak.per_second,
        "goroutines leak"
    );
}
