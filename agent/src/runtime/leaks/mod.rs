//! Finds goroutine leaks: creation sites whose goroutines only grow in number and never run again.
//!
//! A goroutine counts when it was parked at the reading before and has not run since; workers of a pool,
//! however long they live, do run. A group of such goroutines is a leak when it has grown
//!
//! - by much, for a while: the shorter the while, the more it must be;
//! - steadily: in each quarter of that time, so that a burst is none and what levels off is none;
//! - without giving any back, and still does;
//! - for longer than what else could be the reason ([`wait`]): connections that come, for what reads from
//!   the network and for what grows along with it; requests that wait for a back end, for what a timeout
//!   may end and for what grows along with that.
//!
//! Requests have been seen to end before their back end went away ([`turnover`]). A site of which nobody has
//! ever been seen to end has none to wait for, and its growth is a leak at once, whatever it waits for but
//! the network.
//!
//! Nobody can tell a leak from a pool that will be full tomorrow, from requests that all wait at a bare
//! channel for something that is away, or from an outage that began before golens had seen a single request
//! end; these rules make a pool that fills up within minutes none.

mod followed;
mod series;
#[cfg(test)]
mod tests;
mod turnover;
mod wait;

use std::{collections::HashMap, time::Duration};

use serde::Serialize;

use super::profile::{Group, Place, Profile};
use crate::clock::MonotonicNanos;
use followed::{Followed, LEAST};
use turnover::Turnover;
use wait::Company;

/// Groups that are followed at the same time.
const MOST: usize = 1_024;

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
    /// Address of the `go` statement as linked, which names the site where no line does.
    #[serde(skip)]
    pub creator: u64,
    /// Address of the function they began with, as linked.
    #[serde(skip)]
    pub entry: u64,
}

/// Groups are followed by creation site, first function and reason to wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Site {
    creator: u64,
    entry: u64,
    reason: String,
}

/// All goroutines of a site, whatever state the collector has them in.
#[derive(Debug)]
struct Parked<'a> {
    /// One of its groups, for the names.
    group: &'a Group,
    count: u64,
    unmoved: u64,
}

/// Follows the groups of one process through its profiles.
#[derive(Debug, Default)]
pub struct Leaks {
    sites: HashMap<Site, Followed>,
    company: Company,
    turnover: Turnover,
    last: Option<MonotonicNanos>,
}

impl Leaks {
    /// Takes a profile, and answers the leaks that were not known before it.
    pub fn observe(&mut self, profile: &Profile) -> Vec<Leak> {
        let now = seconds(profile.taken);
        let before = self.last.replace(profile.taken).map(seconds);
        self.company.add(now, profile);
        self.turnover.add(profile);
        let groups = by_site(profile);
        for (site, group) in &groups {
            let followed = self.sites.contains_key(site);
            if !followed && group.unmoved >= LEAST && self.sites.len() < MOST {
                let fresh = Followed::new(&site.reason, before);
                self.sites.insert(site.clone(), fresh);
            }
        }
        let mut found = Vec::new();
        self.sites.retain(|site, followed| {
            let group = groups.get(site);
            followed.add(now, group.map_or(0, |group| group.unmoved));
            if let Some(group) = group {
                let keeps_all = self.turnover.keeps_all((site.creator, site.entry));
                found.extend(followed.judge(group, &self.company, keeps_all));
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

/// Groups of a profile that can leak; those that differ in their state alone are one.
fn by_site(profile: &Profile) -> HashMap<Site, Parked<'_>> {
    let mut sites: HashMap<Site, Parked<'_>> = HashMap::new();
    for group in &profile.groups {
        if let Some(site) = site(group) {
            let none = Parked {
                group,
                count: 0,
                unmoved: 0,
            };
            let sum = sites.entry(site).or_insert(none);
            sum.count += group.count;
            sum.unmoved += group.unmoved;
        }
    }
    sites
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

impl Parked<'_> {
    fn leak(&self, per_second: f64, seconds: f64) -> Leak {
        Leak {
            created_by: self.group.created_by.clone(),
            start: self.group.start.clone(),
            wait_reason: self.group.wait_reason.clone().unwrap_or_default(),
            count: self.unmoved,
            per_second,
            seconds,
            growing: true,
            creator: self.group.creator,
            entry: self.group.entry,
        }
    }
}

fn seconds(at: MonotonicNanos) -> f64 {
    Duration::from_nanos(at.0).as_secs_f64()
}
