//! The leases of this node: few enough to renew them all, and each with few keys.
//!
//! etcd slows down by a factor of ten and more when tens of thousands of keys hang on one lease, and a lease
//! for every key would have to be renewed for every key.

use std::collections::BTreeMap;

/// Leases with the number of keys that live by each.
#[derive(Debug)]
pub(super) struct Leases {
    most_keys: usize,
    keys: BTreeMap<i64, usize>,
}

impl Leases {
    pub(super) fn new(most_keys: usize) -> Self {
        Self {
            most_keys,
            keys: BTreeMap::new(),
        }
    }

    /// A lease that can take another key.
    pub(super) fn with_room(&self) -> Option<i64> {
        let mut leases = self.keys.iter();
        let (id, _) = leases.find(|(_, keys)| **keys < self.most_keys)?;
        Some(*id)
    }

    /// A lease that was granted, or found with keys of ours.
    pub(super) fn add(&mut self, id: i64) {
        self.keys.entry(id).or_insert(0);
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        self.keys.contains_key(&id)
    }

    /// A key lives by it from now on.
    pub(super) fn take(&mut self, id: i64) {
        *self.keys.entry(id).or_insert(0) += 1;
    }

    /// A key does not live by it any more.
    pub(super) fn release(&mut self, id: i64) {
        if let Some(keys) = self.keys.get_mut(&id) {
            *keys = keys.saturating_sub(1);
        }
    }

    /// The lease is not there any more.
    pub(super) fn lost(&mut self, id: i64) {
        self.keys.remove(&id);
    }

    /// None of them is ours.
    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    /// Leases without keys; one of them stays for the next key.
    pub(super) fn idle(&self) -> Vec<i64> {
        let empty = self.keys.iter().filter(|(_, keys)| **keys == 0);
        empty.map(|(id, _)| *id).skip(1).collect()
    }

    pub(super) fn ids(&self) -> Vec<i64> {
        self.keys.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_lease_takes_no_more_keys_and_an_emptied_one_does() {
        let mut leases = Leases::new(2);
        assert_eq!(leases.with_room(), None);
        leases.add(7);
        leases.take(7);
        assert_eq!(leases.with_room(), Some(7));
        leases.take(7);
        assert_eq!(leases.with_room(), None);
        leases.release(7);
        assert_eq!(leases.with_room(), Some(7));
        leases.lost(7);
        assert_eq!((leases.with_room(), leases.contains(7)), (None, false));
    }

    #[test]
    fn one_of_the_leases_without_keys_is_kept() {
        let mut leases = Leases::new(2);
        for id in [1, 2, 3] {
            leases.take(id);
            leases.release(id);
        }
        leases.take(2);
        assert_eq!(leases.idle(), [3]);
    }
}
