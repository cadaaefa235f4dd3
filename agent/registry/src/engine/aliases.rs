//! Which checks look at which instance or node.

use std::collections::{BTreeSet, HashMap};

use crate::model::{CheckKey, InstanceKey, Name, Probe};

/// What an alias looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) node: Name,
    /// Without one, the node alone counts.
    pub(super) instance: Option<InstanceKey>,
}

impl Target {
    /// The target of the check `key`, if it is an alias.
    pub(super) fn of(probe: &Probe, key: &CheckKey) -> Option<Self> {
        let Probe::Alias { node, service } = probe else {
            return None;
        };
        let node = match node.as_str() {
            "" => Name::clone(&key.node),
            node => node.into(),
        };
        let instance = (!service.is_empty()).then(|| InstanceKey {
            namespace: Name::clone(&key.namespace),
            node: Name::clone(&node),
            id: service.as_str().into(),
        });
        Some(Self { node, instance })
    }
}

/// Aliases by what they look at.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    instances: HashMap<InstanceKey, BTreeSet<CheckKey>>,
    /// The checks of a node concern the aliases of its instances as well.
    nodes: HashMap<Name, BTreeSet<CheckKey>>,
}

impl Aliases {
    pub(super) fn add(&mut self, target: Target, key: &CheckKey) {
        if let Some(instance) = target.instance {
            let of_instance = self.instances.entry(instance).or_default();
            of_instance.insert(key.clone());
        }
        let of_node = self.nodes.entry(target.node).or_default();
        of_node.insert(key.clone());
    }

    pub(super) fn remove(&mut self, target: &Target, key: &CheckKey) {
        if let Some(instance) = &target.instance {
            take(&mut self.instances, instance, key);
        }
        take(&mut self.nodes, &target.node, key);
    }

    pub(super) fn of_instance(&self, instance: &InstanceKey) -> Vec<CheckKey> {
        let found = self.instances.get(instance);
        found.into_iter().flatten().cloned().collect()
    }

    pub(super) fn of_node(&self, node: &Name) -> Vec<CheckKey> {
        let found = self.nodes.get(node);
        found.into_iter().flatten().cloned().collect()
    }
}

fn take<K: std::hash::Hash + Eq>(
    sets: &mut HashMap<K, BTreeSet<CheckKey>>,
    of: &K,
    key: &CheckKey,
) {
    if let Some(set) = sets.get_mut(of) {
        set.remove(key);
        if set.is_empty() {
            sets.remove(of);
        }
    }
}
