//! The circuit breaker in front of the back end: when it does not answer, it is left alone for a while.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Seconds that the share of failures is counted over, one bucket each.
const WINDOW: Duration = Duration::from_secs(60);
const BUCKET: Duration = Duration::from_secs(1);

/// When the breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Opens on this many time-outs in a row.
    pub timeouts: u32,
    /// Opens when this share of the calls of the last minute failed, in percent.
    pub failed_percent: u32,
    /// Calls of the last minute below which the share says nothing.
    pub fewest_calls: u32,
    /// Longest time that it stays open; a probe that is answered ends it earlier.
    pub open: Duration,
    /// Calls that are let through when it is half open, and must all succeed to close it.
    pub trials: u32,
    /// Time between two probes of an open breaker.
    pub probe_every: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            timeouts: 5,
            failed_percent: 80,
            fewest_calls: 10,
            open: Duration::from_secs(600),
            trials: 10,
            probe_every: Duration::from_secs(2),
        }
    }
}

/// Whether calls go to the back end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// They do.
    #[default]
    Closed,
    /// They do not; only probes do.
    Open,
    /// A few do, on trial.
    HalfOpen,
}

impl BreakerState {
    /// One word, for metrics and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    TimedOut,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { begun: u32, succeeded: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    begin: Instant,
    calls: u32,
    failed: u32,
}

/// Decides whether a call may go out, by how the last ones ended. Time is given, never asked for.
#[derive(Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    state: State,
    timeouts: u32,
    buckets: VecDeque<Bucket>,
    opened: u64,
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed,
            timeouts: 0,
            buckets: VecDeque::new(),
            opened: 0,
        }
    }

    pub(crate) fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Times that it opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether calls go out at all at `now`. An open breaker whose time is over lets trials through.
    pub(crate) fn is_open(&mut self, now: Instant) -> bool {
        if let State::Open { until } = self.state
            && now >= until
        {
            self.half_open();
        }
        matches!(self.state, State::Open { .. })
    }

    /// Whether a call may go out at `now`; one on trial counts as begun.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        if self.is_open(now) {
            return false;
        }
        match &mut self.state {
            State::Closed => true,
            State::Open { .. } => false,
            State::HalfOpen { begun, .. } => {
                let is_trial = *begun < self.settings.trials;
                *begun += u32::from(is_trial);
                is_trial
            }
        }
    }

    /// A probe was answered: the back end is worth a trial.
    pub(crate) fn half_open(&mut self) {
        self.state = State::HalfOpen {
            begun: 0,
            succeeded: 0,
        };
    }

    /// Notes how an allowed call ended.
    pub(crate) fn record(&mut self, outcome: Outcome, now: Instant) {
        match (&mut self.state, outcome) {
            (State::Closed, _) => self.count(outcome, now),
            (State::HalfOpen { succeeded, .. }, Outcome::Success) => {
                *succeeded += 1;
                if *succeeded >= self.settings.trials {
                    self.close();
                }
            }
            (State::HalfOpen { .. }, Outcome::Failure | Outcome::TimedOut) => self.open(now),
            // The end of a call that began before the breaker opened.
            (State::Open { .. }, _) => {}
        }
    }

    fn count(&mut self, outcome: Outcome, now: Instant) {
        self.timeouts = match outcome {
            Outcome::TimedOut => self.timeouts + 1,
            Outcome::Success | Outcome::Failure => 0,
        };
        let is_over = |bucket: &Bucket| now.duration_since(bucket.begin) >= WINDOW;
        while self.buckets.front().is_some_and(is_over) {
            self.buckets.pop_front();
        }
        let failed = u32::from(outcome != Outcome::Success);
        match self.buckets.back_mut() {
            Some(bucket) if now.duration_since(bucket.begin) < BUCKET => {
                bucket.calls += 1;
                bucket.failed += failed;
            }
            _ => self.buckets.push_back(Bucket {
                begin: now,
                calls: 1,
                failed,
            }),
        }
        if self.timeouts >= self.settings.timeouts || self.fails_too_often() {
            self.open(now);
        }
    }

    fn fails_too_often(&self) -> bool {
        let calls: u32 = self.buckets.iter().map(|bucket| bucket.calls).sum();
        let failed: u32 = self.buckets.iter().map(|bucket| bucket.failed).sum();
        let enough = calls >= self.settings.fewest_calls;
        enough
            && u64::from(failed) * 100 >= u64::from(calls) * u64::from(self.settings.failed_percent)
    }

    fn open(&mut self, now: Instant) {
        self.state = State::Open {
            until: now + self.settings.open,
        };
        self.opened += 1;
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.timeouts = 0;
        self.buckets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> (Breaker, Instant) {
        (Breaker::new(BreakerSettings::default()), Instant::now())
    }

    #[test]
    fn the_fifth_time_out_in_a_row_opens_it() {
        let (mut breaker, now) = breaker();
        for _ in 0..4 {
            assert!(breaker.allow(now));
            breaker.record(Outcome::TimedOut, now);
        }
        breaker.record(Outcome::Success, now);
        for _ in 0..4 {
            breaker.record(Outcome::TimedOut, now);
            assert_eq!(breaker.state(), BreakerState::Closed);
        }
        breaker.record(Outcome::TimedOut, now);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!breaker.allow(now));
    }

    #[test]
    fn four_failures_of_five_calls_in_a_minute_open_it_once_there_are_ten() {
        let (mut breaker, begin) = breaker();
        for call in 0..10 {
            assert_eq!(breaker.state(), BreakerState::Closed, "call {call}");
            let outcome = match call {
                0 | 5 => Outcome::Success,
                _ => Outcome::Failure,
            };
            breaker.record(outcome, begin + call * 5 * SECOND);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn what_is_a_minute_old_does_not_count() {
        let (mut breaker, begin) = breaker();
        for _ in 0..9 {
            breaker.record(Outcome::Failure, begin);
        }
        for _ in 0..9 {
            breaker.record(Outcome::Failure, begin + WINDOW);
            assert_eq!(breaker.state(), BreakerState::Closed);
        }
        breaker.record(Outcome::Failure, begin + WINDOW);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn it_stays_open_for_ten_minutes_and_then_ten_good_trials_close_it() {
        let (mut breaker, now) = breaker();
        (0..5).for_each(|_| breaker.record(Outcome::TimedOut, now));
        let later = now + Duration::from_secs(600);
        assert!(!breaker.allow(later - Duration::from_millis(1)));
        for _ in 0..10 {
            assert!(breaker.allow(later));
        }
        assert!(!breaker.allow(later), "an eleventh trial");
        for _ in 0..9 {
            breaker.record(Outcome::Success, later);
            assert_eq!(breaker.state(), BreakerState::HalfOpen);
        }
        breaker.record(Outcome::Success, later);
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(breaker.opened(), 1);
    }

    #[test]
    fn a_trial_that_fails_opens_it_for_another_ten_minutes() {
        let (mut breaker, now) = breaker();
        (0..5).for_each(|_| breaker.record(Outcome::TimedOut, now));
        breaker.half_open();
        assert!(breaker.allow(now + SECOND));
        breaker.record(Outcome::Failure, now + SECOND);
        assert!(!breaker.allow(now + Duration::from_secs(600)));
        assert!(breaker.allow(now + Duration::from_secs(601)));
        assert_eq!(breaker.opened(), 2);
    }
}
