//! Protection against a back end that suddenly knows of nobody.
//!
//! A service whose last instances vanish without having been taken out by their node is kept for a while:
//! more often than not it is the back end that lost them. An instance that its node takes out itself goes at
//! once, and so does what is held as soon as anybody else offers the service.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::model::{InstanceKey, ServiceKey};

/// When an empty service is not believed, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectionSettings {
    /// Time that the instances are kept; zero for not at all.
    pub keep_for: Duration,
    /// Fewest instances of a service that must vanish together. A single one that dies is rather believed;
    /// after a break of the connection, when it is the back end that is in doubt, one is enough.
    pub fewest: usize,
}

impl Default for ProtectionSettings {
    fn default() -> Self {
        Self {
            keep_for: Duration::from_secs(60),
            fewest: 2,
        }
    }
}

/// How instances went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Their node took them out.
    Clean,
    /// Their lease ended, or somebody deleted them.
    Lost,
    /// They are not there any more after a time in which nothing was heard.
    Missed,
}

#[derive(Debug)]
struct Held {
    until: Instant,
    instances: BTreeSet<InstanceKey>,
}

/// What is kept although the back end has lost it. Time is given, never asked for.
#[derive(Debug)]
pub(crate) struct Protection {
    settings: ProtectionSettings,
    held: BTreeMap<ServiceKey, Held>,
}

impl Protection {
    pub(crate) fn new(settings: ProtectionSettings) -> Self {
        Self {
            settings,
            held: BTreeMap::new(),
        }
    }

    /// Instances of `service` vanished; `present` are all that it had before, also those that are held.
    /// Returns those that go now.
    pub(crate) fn removed(
        &mut self,
        service: &ServiceKey,
        gone: BTreeSet<InstanceKey>,
        present: &BTreeSet<InstanceKey>,
        removal: Removal,
        now: Instant,
    ) -> BTreeSet<InstanceKey> {
        let fewest = match removal {
            Removal::Clean => usize::MAX,
            Removal::Lost => self.settings.fewest,
            Removal::Missed => 1,
        };
        let held = self.held.get(service);
        let is_held = |key: &InstanceKey| held.is_some_and(|held| held.instances.contains(key));
        let others_stay = present
            .iter()
            .any(|key| !gone.contains(key) && !is_held(key));
        let keeps = !others_stay && gone.len() >= fewest && !self.settings.keep_for.is_zero();
        if !keeps {
            for key in &gone {
                self.came(service, key);
            }
            return gone;
        }
        let until = now + self.settings.keep_for;
        let new = || Held {
            until,
            instances: BTreeSet::new(),
        };
        // What was held already keeps its time.
        let held = self.held.entry(service.clone()).or_insert_with(new);
        held.instances.extend(gone);
        BTreeSet::new()
    }

    /// An instance is there again, or was let go.
    pub(crate) fn came(&mut self, service: &ServiceKey, key: &InstanceKey) {
        if let Some(held) = self.held.get_mut(service) {
            held.instances.remove(key);
            if held.instances.is_empty() {
                self.held.remove(service);
            }
        }
    }

    /// What is not to be held any longer: its time is over, or `present` says that the service has others.
    pub(crate) fn release(
        &mut self,
        now: Instant,
        present: impl Fn(&ServiceKey) -> BTreeSet<InstanceKey>,
    ) -> Vec<InstanceKey> {
        let over = |service: &ServiceKey, held: &Held| {
            now >= held.until
                || present(service)
                    .iter()
                    .any(|key| !held.instances.contains(key))
        };
        let ends: Vec<_> = self
            .held
            .iter()
            .filter(|(service, held)| over(service, held))
            .map(|(service, _)| service.clone())
            .collect();
        let ended = ends.iter().filter_map(|service| self.held.remove(service));
        ended.flat_map(|held| held.instances).collect()
    }

    /// Whether this instance is kept although the back end has lost it.
    pub(crate) fn holds(&self, service: &ServiceKey, key: &InstanceKey) -> bool {
        let held = self.held.get(service);
        held.is_some_and(|held| held.instances.contains(key))
    }

    /// The services that are kept.
    pub(crate) fn services(&self) -> BTreeSet<ServiceKey> {
        self.held.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(ids: &[&str]) -> BTreeSet<InstanceKey> {
        let key = |id: &&str| InstanceKey {
            namespace: "default".into(),
            node: "far".into(),
            id: (*id).into(),
        };
        ids.iter().map(key).collect()
    }

    fn web() -> ServiceKey {
        ServiceKey::new("default", "web")
    }

    fn protection() -> (Protection, Instant) {
        let protection = Protection::new(ProtectionSettings::default());
        (protection, Instant::now())
    }

    #[test]
    fn a_service_that_loses_all_at_once_is_kept_for_a_minute() {
        let (mut protection, now) = protection();
        let all = keys(&["a", "b"]);
        let go = protection.removed(&web(), all.clone(), &all, Removal::Lost, now);
        assert_eq!(go, keys(&[]));
        assert_eq!(protection.services(), [web()].into());
        let almost = now + Duration::from_millis(59_999);
        assert_eq!(protection.release(almost, |_| all.clone()), []);
        let gone = protection.release(now + Duration::from_secs(60), |_| all.clone());
        assert_eq!(BTreeSet::from_iter(gone), all);
        assert_eq!(protection.services(), [].into());
    }

    #[test]
    fn what_its_node_takes_out_goes_at_once() {
        let (mut protection, now) = protection();
        let all = keys(&["a", "b"]);
        let go = protection.removed(&web(), all.clone(), &all, Removal::Clean, now);
        assert_eq!(go, all);
        assert_eq!(protection.services(), [].into());
    }

    #[test]
    fn a_service_that_keeps_somebody_is_believed() {
        let (mut protection, now) = protection();
        let all = keys(&["a", "b", "c"]);
        let gone = keys(&["a", "b"]);
        let go = protection.removed(&web(), gone.clone(), &all, Removal::Missed, now);
        assert_eq!(go, gone);
    }

    #[test]
    fn a_single_one_that_dies_is_believed_and_one_that_was_missed_is_not() {
        let (mut protection, now) = protection();
        let one = keys(&["a"]);
        let go = protection.removed(&web(), one.clone(), &one, Removal::Lost, now);
        assert_eq!(go, one);
        let go = protection.removed(&web(), one.clone(), &one, Removal::Missed, now);
        assert_eq!(go, keys(&[]));
    }

    #[test]
    fn as_soon_as_another_offers_the_service_the_lost_go() {
        let (mut protection, now) = protection();
        let lost = keys(&["a", "b"]);
        protection.removed(&web(), lost.clone(), &lost, Removal::Lost, now);
        protection.came(&web(), keys(&["a"]).first().unwrap());
        let gone = protection.release(now, |_| keys(&["a", "b"]));
        assert_eq!(BTreeSet::from_iter(gone), keys(&["b"]));
    }

    #[test]
    fn the_last_that_is_taken_out_does_not_free_what_is_held() {
        let (mut protection, now) = protection();
        let lost = keys(&["a", "b"]);
        protection.removed(&web(), lost.clone(), &lost, Removal::Lost, now);
        let again = protection.removed(&web(), keys(&["a"]), &lost, Removal::Missed, now);
        assert_eq!(again, keys(&[]));
        let gone = protection.release(now + Duration::from_secs(60), |_| lost.clone());
        assert_eq!(BTreeSet::from_iter(gone), lost);
    }
}
