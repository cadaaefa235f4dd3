//! Finds goroutine leaks: creation sites whose goroutines only grow in number and never run again.
//!
//! A goroutine counts when it was parked at the reading before and has not run since; workers of a pool,
//! however long they live, do run. A group of such goroutines is a leak when it has grown
//!
//! - by much, for a while: the shorter the while, the more it must be ([`EVIDENCE`]);
//! - steadily: in each quarter of that time, so that a burst is none and what levels off is none;
//! - without giving any back.
//!
//! Nobody can tell a leak from a pool that will be full tomorrow; these rules make a pool that fills up
//! within minutes none.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use serde::Serialize;

use super::profile::{Group, Place, Profile};
use crate::clock::MonotonicNanos;

/// Growth that is a leak when it went on for so long: seconds and goroutines.
const EVIDENCE: [(f64, f64); 4] = [
    (20.0, 1_200.0),
    (120.0, 300.0),
    (600.0, 50.0),
    (3_600.0, 20.0),
];
/// What waits for the network may be an idle connection, and services have thousands: it takes this long.
const NETWORK_SECONDS: f64 = 600.0;
/// Readings between the first and the last that say so.
const READINGS: usize = 4;
/// A quarter of the time has at least this share of an even growth.
const EVEN: f64 = 0.4;
/// Longest time between two readings, as a share of a quarter of the time.
const GAP: f64 = 2.0;
/// What may be given back, as a share of the growth.
const GIVEN_BACK: f64 = 0.1;
/// Groups smaller than this are not followed.
const LEAST: u64 = 20;
/// Groups that are followed at the same time.
const MOST: usize = 1_024;
/// Readings that are remembered of a group; older ones are thinned out.
const MEMORY: usize = 64;
/// The newest of them, which are all kept.
const FRESH: usize = 16;

/// A creation site that leaks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leak {
    /// The `go` statement; none when its line is not known.
    pub created_by: Option<Place>,
    /// The function that its goroutines began with.
    pub start: Option<Place>,
    /// What they wait for.
    pub wait_reason: String,
    /// How many have not run since an earlier reading.
    pub count: u64,
    /// How fast their number rises.
    pub per_second: f64,
    /// For how long it has been seen to rise.
    pub seconds: f64,
    /// Whether it still rises.
    pub growing: bool,
}

/// Groups are followed by creation site, first function and reason to wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Site {
    creator: u64,
    entry: u64,
    reason: String,
}

/// Follows the groups of one process through its profiles.
#[derive(Debug, Default)]
pub struct Leaks {
    sites: HashMap<Site, Followed>,
    last: Option<MonotonicNanos>,
}

#[derive(Debug, Default)]
struct Followed {
    /// Time of a reading, and how many had not run since the one before; oldest first.
    readings: VecDeque<(f64, f64)>,
    leak: Option<Leak>,
    /// Most goroutines of the leak so far.
    peak: u64,
}

impl Leaks {
    /// Takes a profile, and answers the leaks that were not known before it.
    pub fn observe(&mut self, profile: &Profile) -> Vec<Leak> {
        let now = seconds(profile.taken);
        let before = self.last.replace(profile.taken).map(seconds);
        let mut groups: HashMap<Site, &Group> = HashMap::new();
        for group in &profile.groups {
            if let Some(site) = site(group) {
                groups.insert(site, group);
            }
        }
        for (site, group) in &groups {
            let followed = self.sites.contains_key(site);
            if !followed && group.unmoved >= LEAST && self.sites.len() < MOST {
                let mut fresh = Followed::default();
                // Until now there were fewer.
                let earlier = before.map(|before| (before, LEAST as f64));
                fresh.readings.extend(earlier);
                self.sites.insert(site.clone(), fresh);
            }
        }
        let mut found = Vec::new();
        self.sites.retain(|site, followed| {
            let group = groups.get(site);
            followed.add(now, group.map_or(0, |group| group.unmoved));
            if let Some(group) = group {
                found.extend(followed.judge(group, &site.reason));
            }
            followed.is_of_interest()
        });
        found
    }

    /// The leaks that are known, the largest first.
    #[must_use]
    pub fn current(&self) -> Vec<Leak> {
        let leaks = self.sites.values().filter_map(|site| site.leak.clone());
        let mut leaks: Vec<Leak> = leaks.collect();
        leaks.sort_by_key(|leak| std::cmp::Reverse(leak.count));
        leaks
    }
}

/// How a group is followed; `None` when it cannot leak: it runs, is the runtime's, or a timer ends its wait.
fn site(group: &Group) -> Option<Site> {
    let reason = group.wait_reason.clone()?;
    (!group.system && reason != "sleep").then_some(Site {
        creator: group.creator,
        entry: group.entry,
        reason,
    })
}

impl Followed {
    fn add(&mut self, now: f64, unmoved: u64) {
        self.readings.push_back((now, unmoved as f64));
        if self.readings.len() > MEMORY {
            let mut number = 0;
            let fresh = self.readings.len() - FRESH;
            self.readings.retain(|_| {
                number += 1;
                number > fresh || number % 2 == 1
            });
        }
    }

    /// Takes note of whether it leaks now, and answers a leak that was none before.
    fn judge(&mut self, group: &Group, reason: &str) -> Option<Leak> {
        let growth = self.growth(least_seconds(reason));
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
        self.peak = group.unmoved;
        self.leak = Some(Leak {
            created_by: group.created_by.clone(),
            start: group.start.clone(),
            wait_reason: reason.to_owned(),
            count: group.unmoved,
            per_second: count / seconds,
            seconds,
            growing: true,
        });
        self.leak.clone()
    }

    /// Seconds and goroutines of the longest growth up to now that is a leak's.
    fn growth(&self, least_seconds: f64) -> Option<(f64, f64)> {
        let &(now, count) = self.readings.back()?;
        let candidates = self.readings.iter().enumerate();
        for (number, &(begun, base)) in candidates {
            let (seconds, growth) = (now - begun, count - base);
            let enough = EVIDENCE
                .iter()
                .any(|&(long, much)| seconds >= long.max(least_seconds) && growth >= much);
            let readings = self.readings.len() - 1 - number;
            if enough && readings >= READINGS && self.is_steady(number) {
                return Some((seconds, growth));
            }
        }
        None
    }

    /// Whether the growth since a reading is even and gives nothing back.
    fn is_steady(&self, from: usize) -> bool {
        let readings = || self.readings.iter().skip(from);
        let (Some(&(begun, base)), Some(&(now, count))) = (readings().next(), self.readings.back())
        else {
            return false;
        };
        let (seconds, growth) = (now - begun, count - base);
        let (mut highest, mut last) = (base, begun);
        for &(at, count) in readings() {
            if highest - count > growth * GIVEN_BACK || at - last > seconds / 4.0 * GAP {
                return false;
            }
            (highest, last) = (highest.max(count), at);
        }
        let at = |quarter: f64| self.count_at(begun + seconds * quarter / 4.0);
        let quarters = [1.0, 2.0, 3.0, 4.0];
        quarters
            .iter()
            .all(|quarter| at(*quarter) - at(quarter - 1.0) >= growth / 4.0 * EVEN)
    }

    /// The count at a time between two readings, as if it had grown evenly between them.
    fn count_at(&self, time: f64) -> f64 {
        let mut before = None;
        for &(at, count) in &self.readings {
            if at >= time {
                let (earlier, base) = before.unwrap_or((at, count));
                let share = if at > earlier {
                    (time - earlier) / (at - earlier)
                } else {
                    1.0
                };
                return base + (count - base) * share;
            }
            before = Some((at, count));
        }
        before.map_or(0.0, |(_, count)| count)
    }

    /// A leak is over when half of it has gone; what is small is not followed.
    fn is_of_interest(&mut self) -> bool {
        let count = self.readings.back().map_or(0.0, |&(_, count)| count);
        match &self.leak {
            Some(_) => count * 2.0 >= self.peak as f64,
            None => self
                .readings
                .iter()
                .rev()
                .take(READINGS)
                .any(|&(_, count)| count >= LEAST as f64),
        }
    }
}

/// Without the reasons' names it may be the network.
fn least_seconds(reason: &str) -> f64 {
    let network = reason == "IO wait" || reason.starts_with("reason ");
    if network { NETWORK_SECONDS } else { 0.0 }
}

fn seconds(at: MonotonicNanos) -> f64 {
    Duration::from_nanos(at.0).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A profile with one group, `second` seconds after the start.
    fn profile(second: u64, unmoved: u64, reason: &str) -> Profile {
        let group = Group {
            count: unmoved + 7,
            unmoved,
            state: "waiting",
            wait_reason: Some(reason.to_owned()),
            system: false,
            age_seconds: 0.0,
            wait_seconds: None,
            created_by: None,
            start: None,
            stack: Vec::new(),
            sample: 1,
            creator: 0x1000,
            entry: 0x2000,
        };
        Profile {
            pid: 1,
            taken: MonotonicNanos((1_000 + second) * 1_000_000_000),
            goroutines: group.count,
            system: 0,
            unread: 0,
            unremembered: 0,
            ungrouped: 0,
            groups: vec![group],
        }
    }

    /// Seconds between two readings, as agents take them by default.
    const EVERY: u64 = 4;

    /// The second in which a series is called a leak.
    fn detected(until: u64, reason: &str, count: impl Fn(u64) -> u64) -> Option<u64> {
        let mut leaks = Leaks::default();
        let seconds = (0..=until).step_by(EVERY as usize);
        seconds.into_iter().find(|second| {
            !leaks
                .observe(&profile(*second, count(*second), reason))
                .is_empty()
        })
    }

    /// A goroutine counts from the second reading that sees it on.
    fn since(second: u64, rate: f64) -> u64 {
        (second.saturating_sub(EVERY) as f64 * rate) as u64
    }

    #[test]
    fn the_faster_a_leak_the_sooner_it_is_found() {
        let found = |rate| detected(7_200, "chan receive", |second| since(second, rate));
        assert_eq!(found(100.0), Some(24));
        assert_eq!(found(10.0), Some(124));
        assert_eq!(found(1.0), Some(324));
        assert!(
            found(0.1).is_some_and(|second| second < 900),
            "{:?}",
            found(0.1)
        );
        assert_eq!(found(0.0), None);
    }

    /// Growth of 100 a second is found within 30 s wherever the readings fall.
    #[test]
    fn a_leak_of_100_a_second_is_found_within_30_seconds() {
        for start in 60..60 + EVERY {
            let found = detected(200, "select", |second| {
                since(second.saturating_sub(start), 100.0)
            });
            assert!(
                found.is_some_and(|found| found <= start + 28),
                "{start}: {found:?}"
            );
        }
    }

    #[test]
    fn what_healthy_programs_do_is_no_leak() {
        let hours = 2 * 3_600;
        let pool = |size, rate| move |second| since(second, rate).min(size);
        for (name, reason, count) in [
            (
                "a large pool",
                "chan receive",
                Box::new(pool(1_000, 40.0)) as Box<dyn Fn(u64) -> u64>,
            ),
            ("a slow pool", "select", Box::new(pool(200, 2.0))),
            ("idle connections", "IO wait", Box::new(pool(5_000, 50.0))),
            ("workers", "chan receive", Box::new(|_| 3_000)),
            (
                "bursts",
                "sync.WaitGroup.Wait",
                Box::new(|second| if second % 60 < 20 { 4_000 } else { 0 }),
            ),
            (
                "a tide",
                "select",
                Box::new(|second| 2_000 + ((second as f64 / 50.0).sin() * 1_000.0) as u64),
            ),
            (
                "steps",
                "chan receive",
                Box::new(|second| second / 600 * 500),
            ),
            ("sleepers", "sleep", Box::new(|second| since(second, 100.0))),
        ] {
            assert_eq!(detected(hours, reason, count), None, "{name}");
        }
    }

    #[test]
    fn a_leak_is_told_once_and_forgotten_when_it_has_gone() {
        let mut leaks = Leaks::default();
        let mut told = 0;
        for second in (0..=60).step_by(4) {
            told += leaks
                .observe(&profile(second, since(second, 200.0), "select"))
                .len();
        }
        assert_eq!(told, 1);
        let leak = &leaks.current()[0];
        assert_eq!((leak.count, leak.growing), (11_200, true));
        assert!((leak.per_second - 200.0).abs() < 20.0, "{leak:?}");
        for second in (64..=200).step_by(4) {
            assert_eq!(leaks.observe(&profile(second, 11_200, "select")), []);
        }
        assert!(!leaks.current()[0].growing);
        leaks.observe(&profile(204, 5_000, "select"));
        assert_eq!(leaks.current(), []);
    }

    #[test]
    fn memory_is_bounded() {
        let mut followed = Followed::default();
        for second in 0..100_000 {
            followed.add(f64::from(second), 1);
            assert!(followed.readings.len() <= MEMORY);
        }
        let times: Vec<f64> = followed.readings.iter().map(|(at, _)| *at).collect();
        assert!(times.is_sorted() && times[0] < 50_000.0, "{times:?}");
    }
}
