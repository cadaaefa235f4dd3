//! What rings for a check, and when.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    checks::Damping,
    model::{Check, CheckKey, CheckSpec, Probe, Status},
    wheel::{Timer, Wheel},
};

/// Checks run at most this often, whatever the registration says.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// An alias follows changes of its target at once; it looks by itself this often.
const ALIAS_INTERVAL: Duration = Duration::from_secs(60);

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    /// Nothing was heard for a whole TTL.
    Silent,
    /// The check was critical for so long that its instance goes.
    Remove,
    /// The node itself has to look.
    Run,
}

/// The timers of one check.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timers {
    silent: Option<Timer>,
    remove: Option<Timer>,
    run: Option<Timer>,
}

impl Timers {
    pub(super) fn of(&self, alarm: Alarm) -> Option<Timer> {
        match alarm {
            Alarm::Silent => self.silent,
            Alarm::Remove => self.remove,
            Alarm::Run => self.run,
        }
    }

    fn all(&self) -> impl Iterator<Item = Timer> {
        [self.silent, self.remove, self.run].into_iter().flatten()
    }
}

/// The wheel, and whose timer each is.
pub(super) struct Clock {
    wheel: Wheel,
    /// By timer.
    alarms: Vec<Option<(CheckKey, Alarm)>>,
}

impl Clock {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wheel: Wheel::new(now),
            alarms: Vec::new(),
        }
    }

    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.wheel.set(timer, at);
    }

    pub(super) fn is_pending(&self, timer: Timer, now: Instant) -> bool {
        self.wheel.is_pending(timer, now)
    }

    /// Alarms that ring by `now`.
    pub(super) fn ring(&mut self, now: Instant) -> Vec<(CheckKey, Alarm)> {
        let fired = self.wheel.advance(now);
        let alarms = fired
            .iter()
            .filter_map(|timer| self.alarms.get(timer.index()));
        alarms.flatten().cloned().collect()
    }

    /// Stops all timers of a check.
    pub(super) fn stop(&mut self, timers: &Timers) {
        for timer in timers.all() {
            self.remove(timer);
        }
    }

    /// The timers of a new check.
    pub(super) fn start(
        &mut self,
        key: &CheckKey,
        check: &Check,
        runs: Option<&Runs>,
        now: Instant,
    ) -> Timers {
        let ttl = check.spec.ttl();
        let first = runs.map(|runs| runs.next(now));
        let mut timers = Timers {
            silent: ttl.map(|ttl| self.add(key, Alarm::Silent, now + ttl)),
            remove: None,
            run: first.map(|first| self.add(key, Alarm::Run, first)),
        };
        self.follow(key, check, &mut timers, now);
        timers
    }

    /// Follows a new status: what is critical may have to go.
    pub(super) fn follow(
        &mut self,
        key: &CheckKey,
        check: &Check,
        timers: &mut Timers,
        now: Instant,
    ) {
        timers.remove = match (check.status, check.spec.deregister_after, timers.remove) {
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
    }

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

/// The runs of a check that the node carries out: when, and what they add up to.
#[derive(Debug)]
pub(super) struct Runs {
    /// All runs begin at this time and whole intervals.
    first: Instant,
    interval: Duration,
    damping: Mutex<Damping>,
}

impl Runs {
    /// `None` for a check that is not run but told. The first run comes after a part of the interval that
    /// depends on the id alone, so that many checks that come at once do not run at once.
    pub(super) fn of(spec: &CheckSpec, key: &CheckKey, now: Instant) -> Option<Self> {
        let (interval, offset) = match (&spec.probe, spec.probe.schedule()) {
            (Probe::Alias { .. }, _) => (ALIAS_INTERVAL, Duration::ZERO),
            (_, Some(schedule)) if !schedule.interval.is_zero() => {
                let interval = schedule.interval.max(SHORTEST_INTERVAL);
                (interval, part(interval, key))
            }
            _ => return None,
        };
        Some(Self {
            first: now + offset,
            interval,
            damping: Mutex::new(Damping::new(spec.thresholds)),
        })
    }

    /// The first run that is not before `now`.
    pub(super) fn next(&self, now: Instant) -> Instant {
        let since = now.saturating_duration_since(self.first);
        let whole = since.as_nanos().div_ceil(self.interval.as_nanos());
        let whole = u32::try_from(whole).unwrap_or(u32::MAX);
        self.first + self.interval.saturating_mul(whole)
    }

    pub(super) fn damping(&self) -> MutexGuard<'_, Damping> {
        self.damping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of `interval`, always the same for one check.
fn part(interval: Duration, key: &CheckKey) -> Duration {
    let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(key);
    // 32 bits are enough to spread, and few enough not to overflow.
    let share = f64::from((hash >> 32) as u32) / (f64::from(u32::MAX) + 1.0);
    interval.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Schedule;

    fn key(id: usize) -> CheckKey {
        CheckKey {
            namespace: "default".into(),
            node: "node".into(),
            id: format!("check-{id}").into(),
        }
    }

    fn every(interval: Duration) -> CheckSpec {
        CheckSpec {
            probe: Probe::Tcp {
                address: "127.0.0.1:1".to_owned(),
                tls: crate::model::Tls::default(),
                schedule: Schedule {
                    interval,
                    timeout: None,
                },
            },
            ..CheckSpec::external("x", "x")
        }
    }

    #[test]
    fn runs_are_spread_over_the_interval_and_keep_their_place() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let spec = every(10 * second);
        let mut seconds = [0; 10];
        for id in 0..10_000 {
            let runs = Runs::of(&spec, &key(id), now).unwrap();
            let first = runs.next(now);
            assert_eq!(runs.next(first + second), first + 10 * second);
            let again = Runs::of(&spec, &key(id), now).unwrap();
            assert_eq!(again.next(now), first);
            seconds[(first - now).as_secs() as usize] += 1;
        }
        // 1,000 expected in each second; the standard deviation is 30.
        assert!(
            seconds.iter().all(|count| (850..1_150).contains(count)),
            "{seconds:?}"
        );
    }

    #[test]
    fn an_interval_has_at_least_one_second_and_none_means_never() {
        let now = Instant::now();
        let often = Runs::of(&every(Duration::from_millis(1)), &key(1), now).unwrap();
        let first = often.next(now);
        assert_eq!(
            often.next(first + Duration::from_millis(1)),
            first + SHORTEST_INTERVAL
        );
        assert!(Runs::of(&every(Duration::ZERO), &key(1), now).is_none());
        assert!(Runs::of(&CheckSpec::external("x", "x"), &key(1), now).is_none());
    }
}
