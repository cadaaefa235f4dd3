//! One group of goroutines through time: does it leak?

use super::{
    Leak, Parked,
    series::Series,
    wait::{Company, Wait},
};

/// Growth that is a leak when it went on for so long: seconds and goroutines.
const EVIDENCE: [(f64, f64); 4] = [
    (20.0, 1_200.0),
    (120.0, 300.0),
    (600.0, 50.0),
    (3_600.0, 20.0),
];
/// Readings between the first and the last that say so.
const READINGS: usize = 4;
/// A quarter of the time has at least this share of an even growth, and so has the time since the last reading.
const EVEN: f64 = 0.4;
/// Longest time between two readings, as a share of a quarter of the time.
const GAP: f64 = 2.0;
/// What may be given back, as a share of the growth.
const GIVEN_BACK: f64 = 0.1;
/// Groups smaller than this are not followed.
pub(super) const LEAST: u64 = 20;

/// A group that is large enough to look at.
#[derive(Debug)]
pub(super) struct Followed {
    wait: Wait,
    /// How many had not run since the reading before.
    readings: Series,
    /// Most goroutines of the leak so far.
    peak: u64,
    pub(super) leak: Option<Leak>,
}

impl Followed {
    /// Begins to follow; at the reading before there were fewer.
    pub(super) fn new(reason: &str, before: Option<f64>) -> Self {
        let mut readings = Series::default();
        if let Some(before) = before {
            readings.push(before, LEAST as f64);
        }
        Self {
            wait: Wait::of(reason),
            readings,
            peak: 0,
            leak: None,
        }
    }

    pub(super) fn add(&mut self, now: f64, unmoved: u64) {
        self.readings.push(now, unmoved as f64);
    }

    /// Takes note of whether it leaks now, and answers a leak that was none before.
    pub(super) fn judge(
        &mut self,
        group: &Parked<'_>,
        company: &Company,
        keeps_all: bool,
    ) -> Option<Leak> {
        let growth = self.growth(company, keeps_all);
        if let Some(leak) = &mut self.leak {
            self.peak = self.peak.max(group.unmoved);
            leak.count = group.unmoved;
            leak.growing = growth.is_some();
            if let Some((seconds, count)) = growth {
                (leak.seconds, leak.per_second) = (seconds, count / seconds);
            }
            return None;
        }
        let (seconds, count) = growth?;
        let per_second = count / seconds;
        if !self.goes_on(group, per_second) {
            return None;
        }
        self.peak = group.unmoved;
        self.leak = Some(group.leak(per_second, seconds));
        self.leak.clone()
    }

    /// Seconds and goroutines of the longest growth up to now that is a leak's.
    fn growth(&self, company: &Company, keeps_all: bool) -> Option<(f64, f64)> {
        let kind = (self.wait, keeps_all);
        let (now, count) = self.readings.last()?;
        for (number, (begun, base)) in self.readings.iter().enumerate() {
            let (seconds, growth) = (now - begun, count - base);
            let is_much = |least: f64| {
                let mut evidence = EVIDENCE.iter();
                evidence.any(|&(long, much)| seconds >= long.max(least) && growth >= much)
            };
            let readings = self.readings.len() - 1 - number;
            if is_much(0.0)
                && readings >= READINGS
                && is_much(company.least_seconds(kind, (begun, now), growth))
                && self.is_steady(number)
            {
                return Some((seconds, growth));
            }
        }
        None
    }

    /// Whether the growth since a reading is even and gives nothing back.
    fn is_steady(&self, from: usize) -> bool {
        let readings = || self.readings.iter().skip(from);
        let (Some((begun, base)), Some((now, count))) = (readings().next(), self.readings.last())
        else {
            return false;
        };
        let (seconds, growth) = (now - begun, count - base);
        let (mut highest, mut last) = (base, begun);
        for (at, count) in readings() {
            if highest - count > growth * GIVEN_BACK || at - last > seconds / 4.0 * GAP {
                return false;
            }
            (highest, last) = (highest.max(count), at);
        }
        let at = |quarter: f64| begun + seconds * quarter / 4.0;
        [1.0, 2.0, 3.0, 4.0].iter().all(|quarter| {
            let grown = self.readings.growth(at(quarter - 1.0), at(*quarter));
            grown >= growth / 4.0 * EVEN
        })
    }

    /// Whether as many have come since the last reading as the growth makes one expect: they are not among
    /// those that have not run since.
    fn goes_on(&self, group: &Parked<'_>, per_second: f64) -> bool {
        let mut newest = self.readings.iter().rev().map(|(at, _)| at);
        let (Some(now), Some(before)) = (newest.next(), newest.next()) else {
            return false;
        };
        group.count.saturating_sub(group.unmoved) as f64 >= per_second * (now - before) * EVEN
    }

    /// A leak is over when half of it has gone; what is small is not followed.
    pub(super) fn is_of_interest(&self) -> bool {
        let count = self.readings.last().map_or(0.0, |(_, count)| count);
        match &self.leak {
            Some(_) => count * 2.0 >= self.peak as f64,
            None => {
                let mut newest = self.readings.iter().rev().take(READINGS);
                newest.any(|(_, count)| count >= LEAST as f64)
            }
        }
    }
}
