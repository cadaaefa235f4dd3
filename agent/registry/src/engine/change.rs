//! One change of the registry, on the writer's thread.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use state::{EngineError, Tx, WriteError};

use super::{
    checks::Checks,
    outward::Outward,
    pending::{Pending, Step},
    published::{Applied, Published},
    tables::{
        INSTANCES, LIST_INDEX, List, NODES, SERVICE_INDEX, instance_key, list_key, service_key,
    },
};
use crate::{
    RegistryError, Revision,
    model::{Check, Instance, InstanceKey, Name, NodeEntry, ServiceKey, Source, Status},
};

/// What changes work on.
pub(super) struct Model {
    pub(super) pending: Mutex<Pending>,
    pub(super) published: Published,
    pub(super) checks: Checks,
    pub(super) outward: Outward,
}

/// A change under way. What it does is seen by later changes at once and by readers with the commit.
pub(super) struct Change<'a, 'tx> {
    pub(super) tx: &'a mut Tx<'tx>,
    pub(super) pending: MutexGuard<'a, Pending>,
    /// Whether it brings what other nodes say; nobody else may change that.
    pub(super) is_remote: bool,
    steps: Vec<Step>,
    services: BTreeSet<ServiceKey>,
    lists: BTreeSet<Vec<u8>>,
    directories: BTreeSet<Name>,
}

impl Model {
    /// Runs `work`; what it did is taken back if it fails, and published when it is on disk.
    pub(super) fn change<T, E: From<RegistryError>>(
        self: &Arc<Self>,
        tx: &mut Tx<'_>,
        work: impl FnOnce(&mut Change<'_, '_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut change = Change {
            tx,
            pending: self.pending(),
            is_remote: false,
            steps: Vec::new(),
            services: BTreeSet::new(),
            lists: BTreeSet::new(),
            directories: BTreeSet::new(),
        };
        let outcome = work(&mut change).and_then(|value| {
            change.write_indexes()?;
            Ok(value)
        });
        let Change {
            tx,
            pending,
            is_remote: _,
            steps,
            services,
            lists,
            directories,
        } = change;
        drop(pending);
        if steps.is_empty() {
            return outcome;
        }
        let undo = steps.clone();
        let model = Arc::clone(self);
        tx.on_abort(move || {
            let mut pending = model.pending();
            for step in undo.into_iter().rev() {
                pending.undo(step);
            }
        });
        let model = Arc::clone(self);
        tx.on_commit(move |revision| {
            model.checks.follow(&steps);
            let news = model.outward.of(&steps);
            model.published.apply(Applied {
                revision,
                steps,
                services: services.into_iter().collect(),
                lists: lists.into_iter().collect(),
                directories: directories.into_iter().collect(),
            });
            model.outward.tell(news);
        });
        outcome
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change<'_, '_> {
    pub(super) fn revision(&self) -> Revision {
        self.tx.revision()
    }

    /// Whether anything was done yet.
    pub(super) fn has_changed(&self) -> bool {
        !self.steps.is_empty()
    }

    pub(super) fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        self.pending.instances.get(key).map(Arc::clone)
    }

    pub(super) fn node(&self, name: &str) -> Option<Arc<NodeEntry>> {
        self.pending.nodes.get(name).map(Arc::clone)
    }

    /// Puts an instance in the place of the one with its key, if any.
    pub(super) fn put_instance(&mut self, after: Instance) -> Result<(), RegistryError> {
        let before = self.instance(&after.key);
        self.may_change(before.as_deref())?;
        let row = instance_key(&after.key);
        match after.source {
            // What other nodes have is kept for a start without the back end.
            Source::Api | Source::Etcd => self.tx.put(INSTANCES, &row, &json(&after)?),
            // They come again by themselves; a row would outlive them.
            Source::Discovered => drop(self.tx.delete(INSTANCES, &row)?),
        }
        self.replace(before, Some(Arc::new(after)))
    }

    /// Removes an instance.
    pub(super) fn remove_instance(&mut self, key: &InstanceKey) -> Result<(), RegistryError> {
        let before = self.instance(key);
        self.may_change(before.as_deref())?;
        self.tx.delete(INSTANCES, &instance_key(key))?;
        self.replace(before, None)
    }

    fn replace(
        &mut self,
        before: Option<Arc<Instance>>,
        after: Option<Arc<Instance>>,
    ) -> Result<(), RegistryError> {
        let old = before.as_deref().map_or(&[][..], |before| &before.checks);
        let new = after.as_deref().map_or(&[][..], |after| &after.checks);
        let any = before.as_ref().or(after.as_ref());
        let Some(key) = any.map(|instance| instance.key.clone()) else {
            return Ok(());
        };
        if old != new {
            self.list(List::Checks(&key.namespace));
        }
        self.end_sessions(&key.node, old, new)?;
        self.list(List::Node(&key.node));
        for instance in before.iter().chain(&after) {
            self.services.insert(instance.service_key());
        }
        if self.take(Step::Instance { before, after }) {
            self.list(List::Services(&key.namespace));
            self.directories.insert(key.namespace);
        }
        Ok(())
    }

    /// Puts a node in the place of the one with its name, if any. All services on it change with it.
    pub(super) fn put_node(&mut self, after: NodeEntry) -> Result<(), RegistryError> {
        let name = Name::clone(&after.node.name);
        self.may_change_node(&name)?;
        self.tx.put(NODES, name.as_bytes(), &json(&after)?);
        self.replace_node(&name, Some(Arc::new(after)))
    }

    /// Removes a node; its instances are to be removed before.
    pub(super) fn remove_node(&mut self, name: &Name) -> Result<(), RegistryError> {
        self.may_change_node(name)?;
        self.tx.delete(NODES, name.as_bytes())?;
        self.replace_node(name, None)
    }

    fn replace_node(
        &mut self,
        name: &Name,
        after: Option<Arc<NodeEntry>>,
    ) -> Result<(), RegistryError> {
        let before = self.node(name);
        let old = before.as_deref().map_or(&[][..], |before| &before.checks);
        let new = after.as_deref().map_or(&[][..], |after| &after.checks);
        if old != new {
            self.list(List::Checks(""));
        }
        self.end_sessions(name, old, new)?;
        self.list(List::Nodes);
        self.list(List::Node(name));
        let on_it = self.instances_on(name);
        let services = on_it.iter().map(|instance| instance.service_key());
        self.services.extend(services);
        self.take(Step::Node { before, after });
        Ok(())
    }

    /// What another node says is changed there alone.
    fn may_change(&self, known: Option<&Instance>) -> Result<(), RegistryError> {
        match known {
            Some(known) if known.source == Source::Etcd && !self.is_remote => {
                Err(RegistryError::OtherNode(Name::clone(&known.key.node)))
            }
            _ => Ok(()),
        }
    }

    fn may_change_node(&self, name: &Name) -> Result<(), RegistryError> {
        match self.node(name) {
            Some(known) if known.is_remote() && !self.is_remote => {
                Err(RegistryError::OtherNode(Name::clone(name)))
            }
            _ => Ok(()),
        }
    }

    /// All instances on a node, in all namespaces.
    pub(super) fn instances_on(&self, node: &str) -> Vec<Arc<Instance>> {
        let instances = self.pending.instances.values();
        let on_it = instances.filter(|instance| &*instance.key.node == node);
        on_it.map(Arc::clone).collect()
    }

    /// Hides a discovered instance behind a registered one, or, with `None`, forgets it.
    pub(super) fn shadow(&mut self, key: &InstanceKey, after: Option<Arc<Instance>>) {
        let before = self.pending.shadowed.get(key).map(Arc::clone);
        self.take(Step::Shadowed {
            key: key.clone(),
            before,
            after,
        });
    }

    fn take(&mut self, step: Step) -> bool {
        self.steps.push(step.clone());
        self.pending.take(step)
    }

    fn list(&mut self, list: List<'_>) {
        self.lists.insert(list_key(list));
    }

    /// Sessions end when a check that they depend on turns critical or goes.
    fn end_sessions(
        &mut self,
        node: &str,
        old: &[Check],
        new: &[Check],
    ) -> Result<(), RegistryError> {
        for check in old {
            let now = new.iter().find(|other| other.spec.id == check.spec.id);
            let is_worse = now.is_none_or(|now| now.status == Status::Critical);
            if is_worse && (check.status != Status::Critical || now.is_none()) {
                state::sessions::invalidate_by_check(self.tx, node, &check.spec.id)?;
            }
        }
        Ok(())
    }

    /// Stamps the rows that watchers wait for.
    fn write_indexes(&mut self) -> Result<(), RegistryError> {
        for key in &self.services {
            let row = service_key(&key.namespace, &key.service);
            let directory = self.pending.directories.get(&key.namespace);
            let has_instances = directory.is_some_and(|names| names.contains(&key.service));
            self.tx.put(SERVICE_INDEX, &row, &[]);
            if !has_instances {
                // The tombstone keeps the index of a service that is gone.
                self.tx.delete(SERVICE_INDEX, &row)?;
            }
        }
        for row in &self.lists {
            self.tx.put(LIST_INDEX, row, &[]);
        }
        Ok(())
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, RegistryError> {
    serde_json::to_vec(value).map_err(|error| {
        let error = EngineError::Other {
            reason: error.to_string(),
        };
        RegistryError::State(WriteError::from(error))
    })
}
