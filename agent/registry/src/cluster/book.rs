//! What etcd holds of this node, as far as is known, and what has to be written to make it right.

use std::collections::{BTreeMap, BTreeSet};

use super::leases::Leases;
use crate::model::InstanceKey;

/// One key of ours in etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// SHA-256 of the value.
    pub(super) digest: String,
    pub(super) lease: i64,
    /// Revision of its last change.
    pub(super) revision: i64,
}

impl Held {
    pub(super) fn new(value: &[u8], lease: i64, revision: i64) -> Self {
        Self {
            digest: state::sha256_hex(value),
            lease,
            revision,
        }
    }
}

/// A step towards what should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Put {
        instance: InstanceKey,
        key: Vec<u8>,
        value: Vec<u8>,
        /// The lease that it has; `None` to give it one.
        lease: Option<i64>,
    },
    Delete {
        instance: InstanceKey,
        key: Vec<u8>,
    },
}

impl Step {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Delete { key, .. } => key.len(),
        }
    }
}

/// Our keys by instance. An instance that changed its service has two for a moment.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) leases: Leases,
    keys: BTreeMap<InstanceKey, BTreeMap<Vec<u8>, Held>>,
}

impl Book {
    pub(super) fn new(keys_per_lease: usize) -> Self {
        Self {
            leases: Leases::new(keys_per_lease),
            keys: BTreeMap::new(),
        }
    }

    pub(super) fn instances(&self) -> BTreeSet<InstanceKey> {
        self.keys.keys().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key is there now, whoever wrote it.
    pub(super) fn put(&mut self, instance: &InstanceKey, key: Vec<u8>, held: Held) {
        self.leases.take(held.lease);
        let keys = self.keys.entry(instance.clone()).or_default();
        if let Some(before) = keys.insert(key, held) {
            self.leases.release(before.lease);
        }
    }

    /// The key is not there any more.
    pub(super) fn remove(&mut self, instance: &InstanceKey, key: &[u8]) {
        let Some(keys) = self.keys.get_mut(instance) else {
            return;
        };
        if let Some(before) = keys.remove(key) {
            self.leases.release(before.lease);
        }
        if keys.is_empty() {
            self.keys.remove(instance);
        }
    }

    /// Revision at which the key was last changed; `None` when it is not there.
    pub(super) fn revision(&self, instance: &InstanceKey, key: &[u8]) -> Option<i64> {
        Some(self.keys.get(instance)?.get(key)?.revision)
    }

    /// A lease ended, and its keys with it. Returns whose they were.
    pub(super) fn lose(&mut self, lease: i64) -> BTreeSet<InstanceKey> {
        let mut lost = BTreeSet::new();
        self.keys.retain(|instance, keys| {
            let before = keys.len();
            keys.retain(|_, held| held.lease != lease);
            if keys.len() < before {
                lost.insert(instance.clone());
            }
            !keys.is_empty()
        });
        self.leases.lost(lease);
        lost
    }

    /// What has to be written so that there is `wanted`, a key with its value, and nothing else.
    /// Deletions come first: whoever follows the keys sees an instance change its service, not go.
    pub(super) fn steps(
        &self,
        instance: &InstanceKey,
        wanted: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Vec<Step> {
        let held = self.keys.get(instance);
        let is_wanted = |key: &Vec<u8>| wanted.as_ref().is_some_and(|(name, _)| name == key);
        let stray = held.into_iter().flat_map(BTreeMap::keys);
        let mut steps: Vec<_> = stray
            .filter(|key| !is_wanted(key))
            .map(|key| Step::Delete {
                instance: instance.clone(),
                key: key.clone(),
            })
            .collect();
        let Some((key, value)) = wanted else {
            return steps;
        };
        let now = held.and_then(|keys| keys.get(&key));
        let lease = now
            .map(|now| now.lease)
            .filter(|lease| self.leases.contains(*lease));
        let is_right =
            lease.is_some() && now.is_some_and(|now| now.digest == state::sha256_hex(&value));
        if !is_right {
            steps.push(Step::Put {
                instance: instance.clone(),
                key,
                value,
                lease,
            });
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> InstanceKey {
        InstanceKey {
            namespace: "default".into(),
            node: "here".into(),
            id: "web".into(),
        }
    }

    fn put(key: &[u8], value: &[u8], lease: Option<i64>) -> Step {
        Step::Put {
            instance: web(),
            key: key.to_vec(),
            value: value.to_vec(),
            lease,
        }
    }

    fn delete(key: &[u8]) -> Step {
        Step::Delete {
            instance: web(),
            key: key.to_vec(),
        }
    }

    fn wanted(key: &[u8], value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        Some((key.to_vec(), value.to_vec()))
    }

    #[test]
    fn what_is_right_is_not_written_again() {
        let mut book = Book::new(200);
        assert_eq!(
            book.steps(&web(), wanted(b"k", b"v")),
            [put(b"k", b"v", None)]
        );
        book.put(&web(), b"k".to_vec(), Held::new(b"v", 7, 3));
        assert_eq!(book.steps(&web(), wanted(b"k", b"v")), []);
        assert_eq!(
            book.steps(&web(), wanted(b"k", b"w")),
            [put(b"k", b"w", Some(7))]
        );
        assert_eq!(book.steps(&web(), None), [delete(b"k")]);
    }

    #[test]
    fn an_instance_that_changes_its_service_changes_its_key() {
        let mut book = Book::new(200);
        book.put(&web(), b"old".to_vec(), Held::new(b"v", 7, 3));
        let steps = book.steps(&web(), wanted(b"new", b"v"));
        assert_eq!(steps, [delete(b"old"), put(b"new", b"v", None)]);
    }

    #[test]
    fn the_keys_of_a_lost_lease_are_written_again_with_another() {
        let mut book = Book::new(200);
        book.put(&web(), b"k".to_vec(), Held::new(b"v", 7, 3));
        assert_eq!(book.lose(7), [web()].into());
        assert_eq!(
            book.steps(&web(), wanted(b"k", b"v")),
            [put(b"k", b"v", None)]
        );
        assert_eq!((book.len(), book.leases.len()), (0, 0));
    }

    #[test]
    fn a_key_that_is_written_again_counts_once() {
        let mut book = Book::new(1);
        book.put(&web(), b"k".to_vec(), Held::new(b"v", 7, 3));
        book.put(&web(), b"k".to_vec(), Held::new(b"w", 7, 4));
        assert_eq!(book.leases.with_room(), None);
        book.remove(&web(), b"k");
        assert_eq!(book.leases.with_room(), Some(7));
    }
}
