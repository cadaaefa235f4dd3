//! Profiles the goroutines of every target once per interval, and says which of them leak.
//!
//! One profile at a time, whoever has waited longest first, and within one budget of processor time. A
//! target that does not let itself be read costs a thread; the others go on.

mod budget;
mod goroutines;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use self::budget::Budget;
pub(super) use self::goroutines::Goroutines;
use super::{pool::Pool, target::Table};
use crate::{
    clock::{Clock, thread_cpu_time},
    config::{self, Live},
    resolve::Resolver,
    runtime::profile::Room,
    telemetry::Telemetry,
};

/// A profile rarely takes a tenth of that; one that takes this long waits for something that may never come.
const DEADLINE: Duration = Duration::from_secs(1);
/// How often a profile is looked at that takes long.
const CHECK: Duration = Duration::from_millis(100);
/// How long targets that came meanwhile may stay unseen.
const LOOK_AROUND: Duration = Duration::from_millis(500);
/// All targets together may have so many times the goroutines remembered that one may have.
const TARGETS_AT_LIMIT: usize = 4;

/// Room for what is remembered of the goroutines of all targets.
pub(super) fn room(settings: &config::Goroutines) -> Room {
    Room::new(settings.limit.saturating_mul(TARGETS_AT_LIMIT))
}

/// What profiles are taken with.
pub(super) struct Tools {
    telemetry: Arc<Telemetry>,
    resolver: Arc<Resolver>,
    clock: Arc<Clock>,
    budget: Mutex<Budget>,
    /// A profile has ended.
    ended: Notify,
}

impl Tools {
    pub(super) fn new(
        telemetry: Arc<Telemetry>,
        resolver: Arc<Resolver>,
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            telemetry,
            resolver,
            clock,
            budget: Mutex::new(Budget::new(Instant::now())),
            ended: Notify::new(),
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes one profile after the other.
pub(super) struct Profiles {
    table: Arc<Table>,
    tools: Arc<Tools>,
    pool: Pool,
    /// The last that was begun.
    last: Option<Arc<Goroutines>>,
}

impl Profiles {
    /// Starts the thread for profiles.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn start(table: Arc<Table>, tools: Tools) -> io::Result<Self> {
        Ok(Self {
            table,
            tools: Arc::new(tools),
            pool: Pool::start(1, DEADLINE)?,
            last: None,
        })
    }

    /// Profiles each target as often as the settings say, less often when the budget asks for it.
    pub(super) async fn run(mut self, live: Live) {
        let mut period = Duration::MAX;
        loop {
            let now = Instant::now();
            let wanted = live.now().runtime.goroutines.interval.0;
            if std::mem::replace(&mut period, wanted) > wanted {
                // Those that wait for the end of a longer time.
                for target in self.table.profiled() {
                    target.put_off(target.due().min(now + wanted));
                }
            }
            for _ in 0..self.pool.watch(now) {
                self.tools.telemetry.own().profile("hung");
            }
            let wake = self.begin_next(now, period);
            tokio::select! {
                () = tokio::time::sleep_until(wake.into()) => {}
                () = self.tools.ended.notified() => {}
            }
        }
    }

    /// Begins the profile that is due, if there is one and it may; answers when to look again.
    fn begin_next(&mut self, now: Instant, period: Duration) -> Instant {
        let runs = self.last.as_ref().is_some_and(|last| last.is_claimed());
        if runs && self.pool.is_busy() {
            return now + CHECK;
        }
        let free = self.tools.budget().free();
        if now < free {
            return free;
        }
        let targets = self.table.profiled().into_iter();
        let waiting = targets.filter(|target| !target.is_claimed());
        let Some(next) = waiting.min_by_key(|target| target.due()) else {
            return now + LOOK_AROUND;
        };
        if now < next.due() {
            return next.due().min(now + LOOK_AROUND);
        }
        next.put_off(now + period);
        self.begin(&next);
        self.last = Some(next);
        now + CHECK
    }

    fn begin(&self, target: &Arc<Goroutines>) {
        let Some(claim) = target.claim() else {
            return;
        };
        let (target, tools) = (Arc::clone(target), Arc::clone(&self.tools));
        self.pool.submit([move || {
            let before = thread_cpu_time();
            let outcome = target.profile(&tools);
            let used = thread_cpu_time().saturating_sub(before);
            tools.budget().spend(used, Instant::now());
            tools.telemetry.own().profile(outcome);
            drop(claim);
            tools.ended.notify_one();
        }]);
    }
}
