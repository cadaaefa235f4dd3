//! Which services a namespace has, with which tags.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::{Instance, Name};

/// Services of one namespace, each with the number of its instances and of those that have each tag.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    services: BTreeMap<Name, Service>,
}

#[derive(Clone, Debug, Default)]
struct Service {
    instances: usize,
    tags: HashMap<String, usize>,
}

impl Directory {
    /// Counts `instance`. Returns whether a name or a tag is new.
    pub(super) fn add(&mut self, instance: &Instance) -> bool {
        let service = self
            .services
            .entry(Name::clone(&instance.service))
            .or_default();
        service.instances += 1;
        let mut news = service.instances == 1;
        for tag in distinct(&instance.tags) {
            match service.tags.get_mut(tag) {
                Some(count) => *count += 1,
                None => {
                    service.tags.insert(tag.to_owned(), 1);
                    news = true;
                }
            }
        }
        news
    }

    /// Stops counting `instance`. Returns whether a name or a tag is gone.
    pub(super) fn remove(&mut self, instance: &Instance) -> bool {
        let Some(service) = self.services.get_mut(&instance.service) else {
            return false;
        };
        service.instances = service.instances.saturating_sub(1);
        let mut news = service.instances == 0;
        for tag in distinct(&instance.tags) {
            if let Some(count) = service.tags.get_mut(tag) {
                *count -= 1;
                if *count == 0 {
                    service.tags.remove(tag);
                    news = true;
                }
            }
        }
        if service.instances == 0 {
            self.services.remove(&instance.service);
        }
        news
    }

    pub(super) fn contains(&self, service: &str) -> bool {
        self.services.contains_key(service)
    }

    pub(super) fn len(&self) -> usize {
        self.services.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Names in order, each with its tags.
    pub(super) fn services(&self) -> impl Iterator<Item = (&Name, BTreeSet<String>)> {
        let services = self.services.iter();
        services.map(|(name, service)| (name, service.tags.keys().cloned().collect()))
    }
}

/// A tag that is given twice counts once.
fn distinct(tags: &[String]) -> impl Iterator<Item = &str> {
    let earlier = |at: usize| tags.iter().take(at);
    tags.iter()
        .enumerate()
        .filter(move |(at, tag)| !earlier(*at).any(|other| other == *tag))
        .map(|(_, tag)| tag.as_str())
}
