//! Live side of checks: newest output, deadlines. Nothing of this is written.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Instant,
};

use super::{
    alarms::{Alarm, Clock, Runs, Timers},
    aliases::{Aliases, Target},
    pending::Step,
};
use crate::model::{Check, CheckKey, CheckSpec, DEFAULT_NAMESPACE, InstanceKey, Name, Status};

/// One check as it is now.
#[derive(Debug)]
pub(super) struct Live {
    /// The instance it belongs to; none for a check of the node.
    pub(super) owner: Option<InstanceKey>,
    pub(super) spec: Arc<CheckSpec>,
    pub(super) status: Status,
    /// Newer than what was written, perhaps.
    output: Mutex<String>,
    timers: Timers,
    /// For checks that the node carries out.
    pub(super) runs: Option<Arc<Runs>>,
    /// Changes of the status that are on their way.
    changing: AtomicU32,
}

impl Live {
    /// Whether a report of `status` changes nothing: that is the status, and stays it.
    pub(super) fn is_settled_at(&self, status: Status) -> bool {
        self.status == status && self.changing.load(Ordering::Acquire) == 0
    }

    /// Notes that a change of the status is on its way, until the guard is dropped.
    pub(super) fn changing(&self) -> Changing<'_> {
        self.changing.fetch_add(1, Ordering::AcqRel);
        Changing(self)
    }

    pub(super) fn output(&self) -> String {
        lock(&self.output).clone()
    }

    /// Takes newer words. Equal ones, the usual case, cost no allocation.
    pub(super) fn set_output(&self, output: &str) {
        let mut current = lock(&self.output);
        if *current != output {
            output.clone_into(&mut current);
        }
    }
}

/// See [`Live::changing`].
pub(super) struct Changing<'a>(&'a Live);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.changing.fetch_sub(1, Ordering::AcqRel);
    }
}

/// All checks by key, and the wheel of their deadlines.
pub(super) struct Checks {
    /// The node that this process runs on: only its checks are run here.
    node: Name,
    live: RwLock<HashMap<CheckKey, Arc<Live>>>,
    clock: Mutex<Clock>,
    aliases: Mutex<Aliases>,
    heartbeats: AtomicU64,
    runs: AtomicU64,
}

impl Checks {
    pub(super) fn new(node: Name, now: Instant) -> Self {
        Self {
            node,
            live: RwLock::default(),
            clock: Mutex::new(Clock::new(now)),
            aliases: Mutex::default(),
            heartbeats: AtomicU64::new(0),
            runs: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self, key: &CheckKey) -> Option<Arc<Live>> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.get(key).map(Arc::clone)
    }

    pub(super) fn count(&self) -> usize {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.len()
    }

    pub(super) fn heartbeats(&self) -> u64 {
        self.heartbeats.load(Ordering::Relaxed)
    }

    /// Results of runs that were taken since the start.
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Gives a TTL check another TTL. Returns whether it has one.
    pub(super) fn beat(&self, live: &Live, now: Instant) -> bool {
        let (Some(timer), Some(ttl)) = (live.timers.of(Alarm::Silent), live.spec.ttl()) else {
            return false;
        };
        self.clock().set(timer, now + ttl);
        self.heartbeats.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Whether an alarm that rang is still true: a report may have come since.
    pub(super) fn is_due(&self, live: &Live, alarm: Alarm, now: Instant) -> bool {
        let timer = live.timers.of(alarm);
        timer.is_some_and(|timer| !self.clock().is_pending(timer, now))
    }

    /// Lets an alarm ring again at `at`.
    pub(super) fn ring_again(&self, key: &CheckKey, alarm: Alarm, at: Instant) {
        // The check may not go before its timer is set: timers are used again.
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(timer) = live.get(key).and_then(|live| live.timers.of(alarm)) {
            self.clock().set(timer, at);
        }
    }

    /// Takes the result of a run, and lets the next one come. Returns the check as it is now and the
    /// status that the result leads to; `None` when the check was replaced meanwhile, or the result says
    /// too little.
    pub(super) fn ran(
        &self,
        key: &CheckKey,
        runs: &Arc<Runs>,
        status: Status,
    ) -> Option<(Arc<Live>, Status)> {
        let live = self.get(key)?;
        let is_same = live.runs.as_ref().is_some_and(|now| Arc::ptr_eq(now, runs));
        if !is_same {
            return None;
        }
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.ring_again(key, Alarm::Run, runs.next(Instant::now()));
        let leads_to = runs.damping().take(status)?;
        Some((live, leads_to))
    }

    /// Alarms that ring by `now`.
    pub(super) fn ring(&self, now: Instant) -> Vec<(CheckKey, Alarm)> {
        self.clock().ring(now)
    }

    /// Follows a change that is on disk.
    pub(super) fn follow(&self, steps: &[Step]) {
        let now = Instant::now();
        for step in steps {
            match step {
                Step::Instance { before, after } => {
                    let key = after.as_ref().or(before.as_ref()).map(|i| i.key.clone());
                    let old = before.as_deref().map_or(&[][..], |i| i.live_checks());
                    let new = after.as_deref().map_or(&[][..], |i| i.live_checks());
                    if let Some(key) = key {
                        let place = (Name::clone(&key.namespace), Name::clone(&key.node));
                        self.replace(&place, Some(&key), old, new, now);
                        self.wake(lock(&self.aliases).of_instance(&key), now);
                    }
                }
                Step::Node { before, after } => {
                    let entry = after.as_ref().or(before.as_ref());
                    let node = entry.map(|entry| Name::clone(&entry.node.name));
                    let old = before.as_deref().map_or(&[][..], |node| node.live_checks());
                    let new = after.as_deref().map_or(&[][..], |node| node.live_checks());
                    if let Some(node) = node {
                        let aliases = lock(&self.aliases).of_node(&node);
                        self.replace(&(DEFAULT_NAMESPACE.into(), node), None, old, new, now);
                        self.wake(aliases, now);
                    }
                }
                Step::Shadowed { .. } => {}
            }
        }
    }

    /// Puts the checks `new` of one owner in the place of `old`.
    pub(super) fn replace(
        &self,
        (namespace, node): &(Name, Name),
        owner: Option<&InstanceKey>,
        old: &[Check],
        new: &[Check],
        now: Instant,
    ) {
        if old.is_empty() && new.is_empty() {
            return;
        }
        let key_of = |check: &Check| CheckKey {
            namespace: Name::clone(namespace),
            node: Name::clone(node),
            id: Name::clone(&check.spec.id),
        };
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        let mut clock = self.clock();
        for check in old {
            let stays = new.iter().any(|other| other.spec.id == check.spec.id);
            let key = key_of(check);
            if !stays && let Some(gone) = live.remove(&key) {
                self.stop(&key, &gone, &mut clock);
            }
        }
        for check in new {
            let key = key_of(check);
            let before = live.get(&key);
            if before
                .is_some_and(|before| before.spec == check.spec && before.status == check.status)
            {
                continue;
            }
            let same = before.filter(|before| before.spec == check.spec);
            if let (Some(before), None) = (before, same) {
                self.stop(&key, before, &mut clock);
            }
            let (timers, runs) = match same {
                Some(same) => {
                    let mut timers = same.timers;
                    clock.follow(&key, check, &mut timers, now);
                    (timers, same.runs.as_ref().map(Arc::clone))
                }
                None => self.start(&key, check, &mut clock, now),
            };
            let now_live = Live {
                owner: owner.cloned(),
                spec: Arc::clone(&check.spec),
                status: check.status,
                output: Mutex::new(check.output.clone()),
                timers,
                runs,
                changing: AtomicU32::new(0),
            };
            live.insert(key, Arc::new(now_live));
        }
    }

    fn start(
        &self,
        key: &CheckKey,
        check: &Check,
        clock: &mut Clock,
        now: Instant,
    ) -> (Timers, Option<Arc<Runs>>) {
        let is_own = key.node == self.node;
        let runs = is_own.then(|| Runs::of(&check.spec, key, now)).flatten();
        if let Some(target) = Target::of(&check.spec.probe, key) {
            lock(&self.aliases).add(target, key);
        }
        let timers = clock.start(key, check, runs.as_ref(), now);
        (timers, runs.map(Arc::new))
    }

    fn stop(&self, key: &CheckKey, gone: &Live, clock: &mut Clock) {
        clock.stop(&gone.timers);
        if let Some(target) = Target::of(&gone.spec.probe, key) {
            lock(&self.aliases).remove(&target, key);
        }
    }

    /// Lets aliases look at once.
    fn wake(&self, aliases: Vec<CheckKey>, now: Instant) {
        for key in aliases {
            self.ring_again(&key, Alarm::Run, now);
        }
    }

    /// Forgets all checks.
    pub(super) fn clear(&self, now: Instant) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.clear();
        *self.clock() = Clock::new(now);
        *lock(&self.aliases) = Aliases::default();
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        lock(&self.clock)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
