//! The state that the cluster's task writes and everybody may read.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use super::BreakerState;
use crate::model::ServiceKey;

/// How long a view may be without word from the back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshnessSettings {
    /// Up to here it is fresh.
    pub fresh_for: Duration,
    /// Up to here it is stale, after that expired.
    pub stale_for: Duration,
}

impl Default for FreshnessSettings {
    fn default() -> Self {
        Self {
            fresh_for: Duration::from_secs(30),
            stale_for: Duration::from_secs(300),
        }
    }
}

/// How far the view of other nodes is to be trusted. Ordered from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// The back end confirmed it lately, or there is no back end.
    #[default]
    Fresh,
    /// The back end has been silent for a while, or since the start of this process.
    Stale,
    /// The back end has been silent for long. The last known view is still answered.
    Expired,
}

impl Freshness {
    /// One word, for metrics and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

/// How far one answer is to be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// How old the view of other nodes is.
    pub freshness: Freshness,
    /// Time since the back end last said something; zero while its changes are followed.
    pub last_contact: Duration,
    /// Whether instances are shown that the back end has lost, for without them there would be none.
    pub protected: bool,
}

/// The cluster as this node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Whether the stream of changes stands.
    pub connected: bool,
    /// How far the view of other nodes is to be trusted.
    pub freshness: Freshness,
    /// Time since the back end last said something; since the start when it never did.
    pub last_contact: Duration,
    /// The breaker in front of the back end.
    pub breaker: BreakerState,
    /// Times that the breaker opened.
    pub breaker_opened: u64,
    /// Whether another registry has the name of this node, so that nothing of it is published.
    pub name_taken: bool,
    /// Instances of other nodes.
    pub remote_instances: u64,
    /// Other nodes.
    pub remote_nodes: u64,
    /// Instances of this node that the back end holds.
    pub published: u64,
    /// Leases that they live by.
    pub leases: u64,
    /// Leases that were lost and made again.
    pub leases_lost: u64,
    /// Times that everything was read anew.
    pub resyncs: u64,
    /// Times that an attempt to reach the back end, or a connection to it, failed.
    pub failures: u64,
    /// Records of other nodes that could not be understood, and were left out.
    pub refused: u64,
    /// Instances of this node that are too large for the back end, and are not published.
    pub too_large: u64,
    /// Instances that are not published because only this machine reaches them.
    pub kept_here: u64,
    /// Services that the back end says are empty and that are kept for a while.
    pub protected: u64,
    /// What went wrong last; empty when nothing did since the stream stands.
    pub last_error: String,
}

/// Written by the task of the cluster, read by everybody.
#[derive(Debug)]
pub(crate) struct Shared {
    settings: FreshnessSettings,
    begin: Instant,
    /// Milliseconds from `begin` to the last word of the back end; `NEVER` before the first.
    contact_ms: AtomicU64,
    connected: AtomicBool,
    status: Mutex<ClusterStatus>,
    protected: ArcSwap<BTreeSet<ServiceKey>>,
}

const NEVER: u64 = u64::MAX;

impl Shared {
    pub(crate) fn new(settings: FreshnessSettings, begin: Instant) -> Self {
        Self {
            settings,
            begin,
            contact_ms: AtomicU64::new(NEVER),
            connected: AtomicBool::new(false),
            status: Mutex::default(),
            protected: ArcSwap::default(),
        }
    }

    /// The back end said something.
    pub(crate) fn contact(&self, now: Instant) {
        let since = now.saturating_duration_since(self.begin).as_millis();
        let since = u64::try_from(since).unwrap_or(NEVER - 1);
        self.contact_ms.store(since, Ordering::Release);
    }

    /// Says whether the stream of changes stands. Returns whether that is new.
    pub(crate) fn set_connected(&self, connected: bool) -> bool {
        self.connected.swap(connected, Ordering::AcqRel) != connected
    }

    /// Changes what is told.
    pub(crate) fn update(&self, change: impl FnOnce(&mut ClusterStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn protect(&self, services: BTreeSet<ServiceKey>) {
        self.update(|status| status.protected = services.len() as u64);
        self.protected.store(Arc::new(services));
    }

    /// How far an answer about other nodes is to be trusted, or one about `service` if it is about one.
    pub(crate) fn trust(&self, service: Option<&ServiceKey>, now: Instant) -> Trust {
        let (age, freshness) = self.age(now);
        let is_followed = self.connected.load(Ordering::Acquire) && freshness == Freshness::Fresh;
        Trust {
            freshness,
            last_contact: if is_followed { Duration::ZERO } else { age },
            protected: service.is_some_and(|service| self.protected.load().contains(service)),
        }
    }

    /// How old the view of other nodes is, and what follows from that.
    pub(crate) fn age(&self, now: Instant) -> (Duration, Freshness) {
        let contact = self.contact_ms.load(Ordering::Acquire);
        let since_begin = now.saturating_duration_since(self.begin);
        if contact == NEVER {
            // What was kept on disk is of unknown age, so it is never fresh.
            let is_expired = since_begin > self.settings.stale_for;
            let freshness = if is_expired {
                Freshness::Expired
            } else {
                Freshness::Stale
            };
            return (since_begin, freshness);
        }
        let age = since_begin.saturating_sub(Duration::from_millis(contact));
        let freshness = match age {
            age if age <= self.settings.fresh_for => Freshness::Fresh,
            age if age <= self.settings.stale_for => Freshness::Stale,
            _ => Freshness::Expired,
        };
        (age, freshness)
    }

    pub(crate) fn status(&self, now: Instant) -> ClusterStatus {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let (last_contact, freshness) = self.age(now);
        ClusterStatus {
            connected: self.connected.load(Ordering::Acquire),
            freshness,
            last_contact,
            ..status.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_view_is_fresh_for_30_s_stale_up_to_5_min_and_then_expired() {
        let begin = Instant::now();
        let shared = Shared::new(FreshnessSettings::default(), begin);
        let contact = begin + 7 * SECOND;
        shared.contact(contact);
        for (seconds, freshness) in [
            (0, Freshness::Fresh),
            (30, Freshness::Fresh),
            (31, Freshness::Stale),
            (300, Freshness::Stale),
            (301, Freshness::Expired),
        ] {
            let age = seconds * SECOND;
            assert_eq!(shared.age(contact + age), (age, freshness));
        }
    }

    #[test]
    fn what_the_back_end_never_confirmed_is_not_fresh() {
        let begin = Instant::now();
        let shared = Shared::new(FreshnessSettings::default(), begin);
        assert_eq!(shared.age(begin).1, Freshness::Stale);
        assert_eq!(shared.age(begin + 301 * SECOND).1, Freshness::Expired);
        shared.contact(begin + 301 * SECOND);
        assert_eq!(shared.age(begin + 301 * SECOND).1, Freshness::Fresh);
    }
}
