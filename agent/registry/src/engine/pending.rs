//! What the registry holds, with changes that are not on disk yet.
//!
//! Changes run one after the other on the writer's thread and decide by this; many share one commit, and
//! only with the commit do they reach what readers see. A change that fails is taken back step by step.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{directory::Directory, endpoints::Endpoints, published::Published};
use crate::model::{Instance, InstanceKey, Name, NodeEntry, Source};

/// One step of a change: what was there, and what is there now.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Instance {
        before: Option<Arc<Instance>>,
        after: Option<Arc<Instance>>,
    },
    Node {
        before: Option<Arc<NodeEntry>>,
        after: Option<Arc<NodeEntry>>,
    },
    /// A discovered instance whose address belongs to a registered one.
    Shadowed {
        key: InstanceKey,
        before: Option<Arc<Instance>>,
        after: Option<Arc<Instance>>,
    },
}

#[derive(Default)]
pub(super) struct Pending {
    pub(super) instances: BTreeMap<InstanceKey, Arc<Instance>>,
    pub(super) nodes: BTreeMap<Name, Arc<NodeEntry>>,
    pub(super) directories: HashMap<Name, Directory>,
    /// Discovered instances that come back when the registered one goes.
    pub(super) shadowed: BTreeMap<InstanceKey, Arc<Instance>>,
    endpoints: Endpoints,
}

impl Pending {
    /// All that readers see, and nothing more.
    pub(super) fn of(published: &Published) -> Self {
        let mut pending = Self::default();
        for node in &published.nodes().nodes {
            pending.take(Step::Node {
                before: None,
                after: Some(Arc::clone(node)),
            });
        }
        for instance in published.all_instances() {
            pending.take(Step::Instance {
                before: None,
                after: Some(instance),
            });
        }
        pending
    }

    /// Takes a step back.
    pub(super) fn undo(&mut self, step: Step) {
        self.take(match step {
            Step::Instance { before, after } => Step::Instance {
                before: after,
                after: before,
            },
            Step::Node { before, after } => Step::Node {
                before: after,
                after: before,
            },
            Step::Shadowed { key, before, after } => Step::Shadowed {
                key,
                before: after,
                after: before,
            },
        });
    }

    /// Takes a step. Returns whether a service's name or a tag appeared or is gone.
    pub(super) fn take(&mut self, step: Step) -> bool {
        match step {
            Step::Instance { before, after } => return self.replace(before, after),
            Step::Node { before, after } => {
                if let Some(before) = before {
                    self.nodes.remove(&before.node.name);
                }
                if let Some(after) = after {
                    self.nodes.insert(Name::clone(&after.node.name), after);
                }
            }
            Step::Shadowed { key, after, .. } => {
                self.shadowed.remove(&key);
                if let Some(after) = after {
                    self.shadowed.insert(key, after);
                }
            }
        }
        false
    }

    fn replace(&mut self, before: Option<Arc<Instance>>, after: Option<Arc<Instance>>) -> bool {
        if let (Some(before), Some(after)) = (&before, &after)
            && before.service == after.service
            && before.tags == after.tags
            && before.port == after.port
            && before.address == after.address
            && before.source == after.source
        {
            self.instances.insert(after.key.clone(), Arc::clone(after));
            return false;
        }
        // First add, then remove: a tag that stays is neither new nor gone.
        let mut news = false;
        if let Some(after) = &after {
            news |= self.directory(&after.key.namespace).add(after);
        }
        if let Some(before) = before {
            news |= self.directory(&before.key.namespace).remove(&before);
            self.instances.remove(&before.key);
            self.endpoints.remove(&before);
        }
        if let Some(after) = after {
            self.endpoints.add(&after);
            self.instances.insert(after.key.clone(), after);
        }
        news
    }

    fn directory(&mut self, namespace: &Name) -> &mut Directory {
        self.directories.entry(Name::clone(namespace)).or_default()
    }

    /// Instances from `source` that answer at the address and port of `instance`.
    pub(super) fn same_socket(&self, instance: &Instance, source: Source) -> Vec<Arc<Instance>> {
        let keys = self.same_socket_keys(instance, source);
        let found = keys.filter_map(|key| self.instances.get(key));
        found.map(Arc::clone).collect()
    }

    /// Whether there is any such instance.
    pub(super) fn has_same_socket(&self, instance: &Instance, source: Source) -> bool {
        self.same_socket_keys(instance, source).next().is_some()
    }

    fn same_socket_keys<'a>(
        &'a self,
        instance: &Instance,
        source: Source,
    ) -> impl Iterator<Item = &'a InstanceKey> + use<'a> {
        let node = self.nodes.get(&instance.key.node);
        let address = node.map_or("", |node| node.node.address.as_str());
        self.endpoints.same_socket(instance, source, address)
    }
}
