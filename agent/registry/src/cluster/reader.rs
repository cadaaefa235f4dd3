//! Learns what other nodes have: their keys in etcd become instances of the registry.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{
    keys::{Key, Keys},
    proto::{self, event::EventType},
    record,
    writer::Writer,
};
use crate::{
    Registry, RegistryError,
    degrade::{Protection, ProtectionSettings, Removal, Shared},
    engine::Remote,
    model::{Instance, InstanceKey, Name, ServiceKey, Source},
};

/// Instances that are kept while the record of their node is missing. More are left out and counted.
const MOST_ORPHANS: usize = 10_000;

/// What the read of everything has seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    nodes: BTreeSet<Name>,
    instances: BTreeSet<InstanceKey>,
    own_node: bool,
}

/// The task's side that reads.
pub(super) struct Reader {
    registry: Registry,
    shared: Arc<Shared>,
    keys: Keys,
    /// Nodes whose record is there.
    announced: BTreeSet<Name>,
    /// Instances whose node has no record.
    orphans: BTreeMap<InstanceKey, Instance>,
    protection: Protection,
}

impl Reader {
    pub(super) fn new(
        registry: Registry,
        shared: Arc<Shared>,
        keys: Keys,
        protection: ProtectionSettings,
    ) -> Self {
        Self {
            registry,
            shared,
            keys,
            announced: BTreeSet::new(),
            orphans: BTreeMap::new(),
            protection: Protection::new(protection),
        }
    }

    /// Takes one page of the read of everything; what is of this node goes to `writer`.
    pub(super) async fn page(
        &mut self,
        kvs: Vec<proto::KeyValue>,
        seen: &mut Seen,
        writer: &mut Writer,
    ) -> Result<(), RegistryError> {
        let mut changes = Vec::new();
        for kv in &kvs {
            let key = self.keys.parse(&kv.key);
            match &key {
                Some(Key::Node(name)) if name == self.registry.node_name() => seen.own_node = true,
                Some(Key::Node(name)) => drop(seen.nodes.insert(Name::clone(name))),
                Some(Key::Instance(_, key)) => drop(seen.instances.insert(key.clone())),
                _ => {}
            }
            changes.extend(self.put(key, kv, writer));
        }
        self.take(changes).await
    }

    /// Everything was read: what was not seen is gone.
    pub(super) async fn complete(
        &mut self,
        seen: Seen,
        writer: &mut Writer,
    ) -> Result<(), RegistryError> {
        if !seen.own_node {
            writer.node_gone(i64::MAX);
        }
        self.announced = seen.nodes;
        self.orphans.retain(|key, _| seen.instances.contains(key));
        let mut gone: BTreeMap<ServiceKey, BTreeSet<InstanceKey>> = BTreeMap::new();
        for instance in self.registry.remote_instances() {
            let service = instance.service_key();
            let is_held = self.protection.holds(&service, &instance.key);
            if !seen.instances.contains(&instance.key) && !is_held {
                gone.entry(service)
                    .or_default()
                    .insert(instance.key.clone());
            }
        }
        let removals = gone
            .into_iter()
            .map(|(service, gone)| (service, Removal::Missed, gone));
        self.remove(removals.collect()).await?;
        self.release().await
    }

    /// Takes what the watch tells, in its order. All events of a revision come together.
    pub(super) async fn events(
        &mut self,
        events: Vec<proto::Event>,
        writer: &mut Writer,
    ) -> Result<(), RegistryError> {
        let clean = self.taken_out(&events);
        // The last event of an instance is what counts.
        let mut puts = BTreeMap::new();
        let mut gone = BTreeMap::new();
        let mut nodes = Vec::new();
        for event in &events {
            let Some(kv) = &event.kv else { continue };
            let key = self.keys.parse(&kv.key);
            let is_put = event.r#type() == EventType::Put;
            match key {
                Some(Key::Instance(service, id)) if !is_put => {
                    if id.node == *self.registry.node_name() {
                        writer.instance_gone(&id, &kv.key, kv.mod_revision);
                        continue;
                    }
                    self.orphans.remove(&id);
                    puts.remove(&id);
                    let is_clean = clean.contains(&(kv.mod_revision, Name::clone(&id.node)));
                    gone.insert(id, (service, is_clean));
                }
                Some(Key::Node(name)) if !is_put => {
                    if name == *self.registry.node_name() {
                        writer.node_gone(kv.mod_revision);
                    } else {
                        self.announced.remove(&name);
                    }
                }
                Some(Key::Instance(_, ref id)) => {
                    let id = id.clone();
                    if let Some(change) = self.put(key, kv, writer).pop() {
                        gone.remove(&id);
                        puts.insert(id, change);
                    }
                }
                key => nodes.extend(self.put(key, kv, writer)),
            }
        }
        nodes.extend(puts.into_values());
        self.take(nodes).await?;
        self.remove_known(gone).await?;
        self.release().await
    }

    /// Lets go what was held for long enough, and nodes that have nothing any more.
    pub(super) async fn release(&mut self) -> Result<(), RegistryError> {
        let registry = self.registry.clone();
        let gone = self
            .protection
            .release(Instant::now(), |service| present(&registry, service));
        let changes = gone.into_iter().map(Remote::Gone).collect();
        self.take(changes).await?;
        self.remove_nodes().await?;
        self.shared.protect(self.protection.services());
        Ok(())
    }

    /// Revisions and nodes at which a node took something out by itself.
    fn taken_out(&self, events: &[proto::Event]) -> BTreeSet<(i64, Name)> {
        let kvs = events.iter().filter_map(|event| event.kv.as_ref());
        let marks = kvs.filter_map(|kv| match self.keys.parse(&kv.key) {
            Some(Key::Left(node)) => Some((kv.mod_revision, node)),
            _ => None,
        });
        marks.collect()
    }

    /// What a key that is there changes.
    fn put(&mut self, key: Option<Key>, kv: &proto::KeyValue, writer: &mut Writer) -> Vec<Remote> {
        let own = self.registry.node_name();
        match &key {
            Some(Key::Instance(_, id)) if id.node == *own => {
                writer.instance_is(id, kv);
                Vec::new()
            }
            Some(key @ Key::Node(name)) => match record::node(key, &kv.value) {
                Ok(record) if name == own => {
                    writer.node_is(kv, &record.registry);
                    Vec::new()
                }
                Ok(record) => {
                    self.announced.insert(Name::clone(name));
                    let node = Remote::Node(Box::new(record.node), record.checks);
                    let waiting = self.orphans.extract_if(.., |key, _| key.node == *name);
                    let waiting = waiting.map(|(_, instance)| Remote::Instance(Box::new(instance)));
                    std::iter::once(node).chain(waiting).collect()
                }
                Err(error) => self.refuse(kv, &error),
            },
            Some(key @ Key::Instance(service, id)) => match record::instance(key, &kv.value) {
                Ok(instance) => {
                    self.protection.came(service, id);
                    self.instance(instance)
                }
                Err(error) => self.refuse(kv, &error),
            },
            Some(Key::Left(_)) => Vec::new(),
            None => self.refuse(kv, &record::RecordError::Key),
        }
    }

    /// An instance, if its node is known; else it waits for the node.
    fn instance(&mut self, instance: Instance) -> Vec<Remote> {
        let is_known = self.announced.contains(&instance.key.node)
            || self.registry.node(&instance.key.node).is_some();
        if is_known {
            return vec![Remote::Instance(Box::new(instance))];
        }
        if self.orphans.len() < MOST_ORPHANS {
            self.orphans.insert(instance.key.clone(), instance);
        } else {
            self.shared.update(|status| status.refused += 1);
        }
        Vec::new()
    }

    fn refuse(&self, kv: &proto::KeyValue, error: &record::RecordError) -> Vec<Remote> {
        self.shared.update(|status| status.refused += 1);
        let key = kv.key.escape_ascii();
        tracing::warn!(%key, %error, "a record of the cluster is left out");
        Vec::new()
    }

    /// Removes instances whose keys are gone, unless they have another key meanwhile.
    async fn remove_known(
        &mut self,
        gone: BTreeMap<InstanceKey, (ServiceKey, bool)>,
    ) -> Result<(), RegistryError> {
        let mut services: BTreeMap<(ServiceKey, bool), BTreeSet<InstanceKey>> = BTreeMap::new();
        for (id, (service, is_clean)) in gone {
            let known = self.registry.instance(&id);
            let is_it = known.is_some_and(|known| {
                known.source == Source::Etcd && known.service == service.service
            });
            if is_it {
                services.entry((service, is_clean)).or_default().insert(id);
            }
        }
        let removals = services.into_iter().map(|((service, is_clean), gone)| {
            let removal = if is_clean {
                Removal::Clean
            } else {
                Removal::Lost
            };
            (service, removal, gone)
        });
        self.remove(removals.collect()).await
    }

    async fn remove(
        &mut self,
        removals: Vec<(ServiceKey, Removal, BTreeSet<InstanceKey>)>,
    ) -> Result<(), RegistryError> {
        let now = Instant::now();
        let mut changes = Vec::new();
        for (service, removal, gone) in removals {
            let present = present(&self.registry, &service);
            let go = self
                .protection
                .removed(&service, gone, &present, removal, now);
            changes.extend(go.into_iter().map(Remote::Gone));
        }
        self.take(changes).await
    }

    /// Removes nodes that have neither a record nor instances.
    async fn remove_nodes(&mut self) -> Result<(), RegistryError> {
        let silent = |name: &Name| !self.announced.contains(name);
        let mut silent: BTreeSet<_> = self
            .registry
            .remote_nodes()
            .into_iter()
            .filter(silent)
            .collect();
        if silent.is_empty() {
            return Ok(());
        }
        for instance in self.registry.remote_instances() {
            silent.remove(&instance.key.node);
        }
        self.take(silent.into_iter().map(Remote::NodeGone).collect())
            .await
    }

    async fn take(&mut self, changes: Vec<Remote>) -> Result<(), RegistryError> {
        if changes.is_empty() {
            return Ok(());
        }
        let refused = self.registry.take_remote(changes).await?;
        self.shared.update(|status| status.refused += refused);
        Ok(())
    }
}

/// All instances that a service has now.
fn present(registry: &Registry, service: &ServiceKey) -> BTreeSet<InstanceKey> {
    let view = registry.find_service(&service.namespace, &service.service);
    let entries = view.iter().flat_map(|view| &view.entries);
    entries.map(|entry| entry.instance.key.clone()).collect()
}
