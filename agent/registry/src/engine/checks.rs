//! Live side of checks: newest output, deadlines. Nothing of this is written.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Instant,
};

use super::pending::Step;
use crate::{
    model::{Check, CheckKey, CheckSpec, DEFAULT_NAMESPACE, InstanceKey, Name, Status},
    wheel::{Timer, Wheel},
};

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// Nothing was heard for a whole TTL.
    Silent,
    /// The check was critical for so long that its instance goes.
    Remove,
}

/// One check as it is now.
#[derive(Debug)]
pub(super) struct Live {
    /// The instance it belongs to; none for a check of the node.
    pub(super) owner: Option<InstanceKey>,
    pub(super) spec: CheckSpec,
    pub(super) status: Status,
    /// Newer than what was written, perhaps.
    output: Mutex<String>,
    silent: Option<Timer>,
    remove: Option<Timer>,
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

    fn timer(&self, alarm: Alarm) -> Option<Timer> {
        match alarm {
            Alarm::Silent => self.silent,
            Alarm::Remove => self.remove,
        }
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
    live: RwLock<HashMap<CheckKey, Arc<Live>>>,
    clock: Mutex<Clock>,
    heartbeats: AtomicU64,
}

struct Clock {
    wheel: Wheel,
    /// By timer.
    alarms: Vec<Option<(CheckKey, Alarm)>>,
}

impl Clock {
    fn add(&mut self, key: &CheckKey, alarm: Alarm, at: Instant) -> Timer {
        let timer = self.wheel.add(at);
        if self.alarms.len() <= timer.index() {
            self.alarms.resize(timer.index() + 1, None);
        }
        self.alarms[timer.index()] = Some((key.clone(), alarm));
        timer
    }

    fn remove(&mut self, timer: Timer) {
        self.alarms[timer.index()] = None;
        self.wheel.remove(timer);
    }
}

impl Checks {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            live: RwLock::default(),
            clock: Mutex::new(Clock {
                wheel: Wheel::new(now),
                alarms: Vec::new(),
            }),
            heartbeats: AtomicU64::new(0),
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

    /// Gives a TTL check another TTL. Returns whether it has one.
    pub(super) fn beat(&self, live: &Live, now: Instant) -> bool {
        let (Some(timer), Some(ttl)) = (live.silent, live.spec.ttl()) else {
            return false;
        };
        self.clock().wheel.set(timer, now + ttl);
        self.heartbeats.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Whether an alarm that rang is still true: a report may have come since.
    pub(super) fn is_due(&self, live: &Live, alarm: Alarm, now: Instant) -> bool {
        let timer = live.timer(alarm);
        timer.is_some_and(|timer| !self.clock().wheel.is_pending(timer, now))
    }

    /// Lets an alarm ring again that had no effect.
    pub(super) fn ring_again(&self, key: &CheckKey, alarm: Alarm, at: Instant) {
        if let Some(timer) = self.get(key).and_then(|live| live.timer(alarm)) {
            self.clock().wheel.set(timer, at);
        }
    }

    /// Alarms that ring by `now`.
    pub(super) fn ring(&self, now: Instant) -> Vec<(CheckKey, Alarm)> {
        let mut clock = self.clock();
        let fired = clock.wheel.advance(now);
        let alarms = fired
            .iter()
            .filter_map(|timer| clock.alarms.get(timer.index()));
        alarms.flatten().cloned().collect()
    }

    /// Follows a change that is on disk.
    pub(super) fn follow(&self, steps: &[Step]) {
        let now = Instant::now();
        for step in steps {
            match step {
                Step::Instance { before, after } => {
                    let key = after.as_ref().or(before.as_ref()).map(|i| i.key.clone());
                    let old = before.as_deref().map_or(&[][..], |before| &before.checks);
                    let new = after.as_deref().map_or(&[][..], |after| &after.checks);
                    if let Some(key) = key {
                        let place = (Name::clone(&key.namespace), Name::clone(&key.node));
                        self.replace(&place, Some(&key), old, new, now);
                    }
                }
                Step::Node { before, after } => {
                    let entry = after.as_ref().or(before.as_ref());
                    let node = entry.map(|entry| Name::clone(&entry.node.name));
                    let old = before.as_deref().map_or(&[][..], |before| &before.checks);
                    let new = after.as_deref().map_or(&[][..], |after| &after.checks);
                    if let Some(node) = node {
                        self.replace(&(DEFAULT_NAMESPACE.into(), node), None, old, new, now);
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
            if !stays && let Some(gone) = live.remove(&key_of(check)) {
                for timer in gone.silent.iter().chain(&gone.remove) {
                    clock.remove(*timer);
                }
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
            let now_live = clock.follow(&key, check, before.map(Arc::as_ref), now);
            live.insert(
                key,
                Arc::new(Live {
                    owner: owner.cloned(),
                    ..now_live
                }),
            );
        }
    }

    /// Forgets all checks.
    pub(super) fn clear(&self, now: Instant) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.clear();
        *self.clock() = Clock {
            wheel: Wheel::new(now),
            alarms: Vec::new(),
        };
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        lock(&self.clock)
    }
}

impl Clock {
    /// A check as it is after a change, with the timers that it needs.
    fn follow(
        &mut self,
        key: &CheckKey,
        check: &Check,
        before: Option<&Live>,
        now: Instant,
    ) -> Live {
        let same = before.filter(|before| before.spec == check.spec);
        if let (Some(before), None) = (before, same) {
            for timer in before.silent.iter().chain(&before.remove) {
                self.remove(*timer);
            }
        }
        let silent = match same {
            Some(same) => same.silent,
            None => check
                .spec
                .ttl()
                .map(|ttl| self.add(key, Alarm::Silent, now + ttl)),
        };
        let running = same.and_then(|same| same.remove);
        let remove = match (check.status, check.spec.deregister_after, running) {
            (Status::Critical, Some(_), Some(running)) => Some(running),
            (Status::Critical, Some(after), None) => {
                Some(self.add(key, Alarm::Remove, now + after))
            }
            (_, _, running) => {
                if let Some(running) = running {
                    self.remove(running);
                }
                None
            }
        };
        Live {
            owner: None,
            spec: check.spec.clone(),
            status: check.status,
            output: Mutex::new(check.output.clone()),
            silent,
            remove,
            changing: AtomicU32::new(0),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
