//! Tells other nodes what this one has: the instances that live here become keys in etcd, by leases.
//!
//! Only what differs is written. What etcd holds is known from the read of everything that every connection
//! begins with, from our own transactions, and from the watch, which tells when somebody else touches our
//! keys. So a restart of this process writes nothing, and adopts the leases that it finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use super::{
    backend::{Backend, BackendError},
    book::{Book, Held, Step},
    keys::Keys,
    proto::{self, compare, request_op},
    record,
    selection::Selection,
    settings::Settings,
};
use crate::{
    Registry,
    degrade::Shared,
    engine::Dirty,
    model::{InstanceKey, Name, Source},
};

/// Most steps of one transaction: etcd takes 128, and one is that the node took something out.
const MOST_STEPS: usize = 127;
/// Most bytes of one transaction, a third of what etcd takes.
const MOST_BYTES: usize = 512 * 1024;
/// A larger instance is not published.
const LARGEST: usize = MOST_BYTES;

/// Who has the key of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Nobody.
    Free,
    /// We do, since this revision.
    Ours(i64),
    /// Another registry with the same name of its node.
    Taken,
}

/// The task's side that writes.
pub(super) struct Writer {
    registry: Registry,
    shared: Arc<Shared>,
    keys: Keys,
    node: Name,
    /// What this registry is called in the record of its node.
    identity: String,
    ttl: Duration,
    claim: Claim,
    /// The record of the node, when it is ours.
    node_held: Option<Held>,
    book: Book,
    selection: Selection,
    /// Whether all is registered that runs on this node; nothing is written before.
    complete: watch::Receiver<bool>,
    dirty: Dirty,
}

impl Writer {
    pub(super) fn new(
        registry: Registry,
        shared: Arc<Shared>,
        keys: Keys,
        identity: String,
        settings: &Settings,
        complete: watch::Receiver<bool>,
    ) -> Self {
        let selection = Selection::new(keys.clone(), LARGEST, settings.publish_loopback);
        Self {
            node: Name::clone(registry.node_name()),
            registry,
            shared,
            keys,
            identity,
            ttl: settings.lease_ttl,
            claim: Claim::Free,
            node_held: None,
            book: Book::new(settings.keys_per_lease),
            selection,
            complete,
            dirty: Dirty::default(),
        }
    }

    /// Forgets what etcd was thought to hold: it is read anew.
    pub(super) fn forget(&mut self, keys_per_lease: usize) {
        self.book = Book::new(keys_per_lease);
        self.claim = Claim::Free;
        self.node_held = None;
        self.dirty.all = true;
    }

    /// Takes note of the record of this node, whoever wrote it.
    pub(super) fn node_is(&mut self, kv: &proto::KeyValue, registry: &str) {
        if registry == self.identity {
            self.claim = Claim::Ours(kv.create_revision);
            self.book.leases.take(kv.lease);
            self.node_held = Some(Held::new(&kv.value, kv.lease, kv.mod_revision));
            return;
        }
        if self.claim != Claim::Taken {
            tracing::error!(node = %self.node, "another registry of the cluster has the name of this node: nothing is published until one of them is renamed (--node)");
        }
        self.claim = Claim::Taken;
        self.node_held = None;
    }

    /// The record of this node is gone.
    pub(super) fn node_gone(&mut self, revision: i64) {
        let is_news = self
            .node_held
            .as_ref()
            .is_none_or(|held| held.revision < revision);
        if is_news {
            if self.claim == Claim::Taken {
                // What the namesake left lives by leases that end.
                self.book.leases.clear();
            }
            if let Some(held) = self.node_held.take() {
                self.book.leases.release(held.lease);
            }
            self.claim = Claim::Free;
            self.dirty.all = true;
        }
    }

    /// An instance of this node is there as it is, by whomever.
    pub(super) fn instance_is(&mut self, instance: &InstanceKey, kv: &proto::KeyValue) {
        let known = self.book.revision(instance, &kv.key);
        if known.is_none_or(|known| known < kv.mod_revision) {
            let held = Held::new(&kv.value, kv.lease, kv.mod_revision);
            self.book.put(instance, kv.key.clone(), held);
            self.dirty.instances.insert(instance.clone());
        }
    }

    /// An instance of this node is gone.
    pub(super) fn instance_gone(&mut self, instance: &InstanceKey, key: &[u8], revision: i64) {
        let known = self.book.revision(instance, key);
        if known.is_some_and(|known| known < revision) {
            self.book.remove(instance, key);
            self.dirty.instances.insert(instance.clone());
        }
    }

    /// Writes what differs.
    pub(super) async fn flush(&mut self, backend: &Backend) -> Result<(), BackendError> {
        self.take_news();
        self.look_at_address();
        if !*self.complete.borrow() {
            return Ok(());
        }
        if !self.claimed(backend).await? {
            return Ok(());
        }
        let dirty = std::mem::take(&mut self.dirty);
        let instances = match dirty.all {
            true => self.everything(),
            false => dirty.instances,
        };
        if dirty.node || dirty.all {
            self.write_node(backend).await?;
        }
        let steps = instances
            .iter()
            .flat_map(|instance| self.steps_for(instance));
        let steps: Vec<_> = steps.collect();
        let outcome = self.write(backend, steps).await;
        if outcome.is_err() {
            self.dirty.all = true;
        }
        self.show();
        outcome
    }

    /// Renews all leases, and writes again what lived by those that are gone.
    pub(super) async fn renew(&mut self, backend: &Backend) -> Result<(), BackendError> {
        if !matches!(self.claim, Claim::Ours(_)) {
            // The leases that are known may be those of a namesake.
            return Ok(());
        }
        for idle in self.book.leases.idle() {
            backend.revoke(idle).await?;
            self.book.leases.lost(idle);
        }
        let leases = self.book.leases.ids();
        if leases.is_empty() {
            return Ok(());
        }
        let lost = backend.renew(leases).await?;
        for lease in &lost {
            tracing::warn!(lease, "a lease is lost: its instances get another");
            self.dirty.instances.extend(self.book.lose(*lease));
            let lived_by_it = |held: &Held| held.lease == *lease;
            if self.node_held.as_ref().is_some_and(lived_by_it) {
                self.node_held = None;
                self.claim = Claim::Free;
                self.dirty.all = true;
            }
        }
        self.shared
            .update(|status| status.leases_lost += lost.len() as u64);
        match lost.is_empty() {
            true => Ok(()),
            false => self.flush(backend).await,
        }
    }

    fn take_news(&mut self) {
        let news = self.registry.outward().take();
        self.dirty.all |= news.all;
        self.dirty.node |= news.node;
        self.dirty.instances.extend(news.instances);
    }

    /// An address that others do not reach makes a difference to all instances that have no other.
    fn look_at_address(&mut self) {
        if let Some(entry) = self.registry.node(&self.node) {
            self.dirty.all |= self.selection.node_is_at(&entry.node.address);
        }
    }

    /// All instances that are here or in etcd.
    fn everything(&self) -> BTreeSet<InstanceKey> {
        let mut all = self.book.instances();
        for namespace in self.registry.namespaces() {
            let here = self.registry.instances_on(&self.node, &namespace);
            all.extend(here.iter().map(|instance| instance.key.clone()));
        }
        all
    }

    fn steps_for(&mut self, key: &InstanceKey) -> Vec<Step> {
        let instance = self.registry.instance(key);
        let ours = instance.filter(|instance| instance.source != Source::Etcd);
        let wanted = match ours {
            Some(instance) => self.selection.wanted(&instance),
            None => {
                self.selection.gone(key);
                None
            }
        };
        self.book.steps(key, wanted)
    }

    /// Whether the record of the node is ours, after an attempt to make it so.
    async fn claimed(&mut self, backend: &Backend) -> Result<bool, BackendError> {
        match self.claim {
            Claim::Ours(_) => return Ok(true),
            Claim::Taken => {
                self.show();
                return Ok(false);
            }
            Claim::Free => {}
        }
        let Some((lease, value)) = self.node_record(backend).await? else {
            return Ok(false);
        };
        let is_free = self.created_at(0);
        let put = put(self.keys.node(&self.node), value.clone(), lease);
        let (claimed, revision) = backend.transact(transaction(is_free, vec![put])).await?;
        if !claimed {
            return Err(BackendError::ClaimLost);
        }
        self.claim = Claim::Ours(revision);
        self.book.leases.take(lease);
        self.node_held = Some(Held::new(&value, lease, revision));
        self.dirty.all = true;
        Ok(true)
    }

    /// The record of the node, and a lease for it.
    async fn node_record(
        &mut self,
        backend: &Backend,
    ) -> Result<Option<(i64, Vec<u8>)>, BackendError> {
        let Some(entry) = self.registry.node(&self.node) else {
            return Ok(None);
        };
        let value = record::of_node(&self.identity, &entry.node, &entry.checks)?;
        let held = self.node_held.as_ref().map(|held| held.lease);
        let lease = match held.filter(|lease| self.book.leases.contains(*lease)) {
            Some(lease) => lease,
            None => self.lease(backend).await?,
        };
        Ok(Some((lease, value)))
    }

    /// Writes the record of the node, if it differs.
    async fn write_node(&mut self, backend: &Backend) -> Result<(), BackendError> {
        let Some((lease, value)) = self.node_record(backend).await? else {
            return Ok(());
        };
        let digest = state::sha256_hex(&value);
        if self
            .node_held
            .as_ref()
            .is_some_and(|held| held.digest == digest)
        {
            return Ok(());
        }
        let put = put(self.keys.node(&self.node), value.clone(), lease);
        let revision = self.transact(backend, vec![put]).await?;
        if let Some(held) = &mut self.node_held {
            *held = Held::new(&value, lease, revision);
        }
        Ok(())
    }

    /// A lease with room for another key.
    async fn lease(&mut self, backend: &Backend) -> Result<i64, BackendError> {
        if let Some(lease) = self.book.leases.with_room() {
            return Ok(lease);
        }
        let lease = backend.grant(self.ttl).await?;
        self.book.leases.add(lease);
        Ok(lease)
    }

    /// Writes steps, as many as fit into each transaction.
    async fn write(&mut self, backend: &Backend, steps: Vec<Step>) -> Result<(), BackendError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for step in steps {
            if batch.len() >= MOST_STEPS || bytes + step.bytes() > MOST_BYTES {
                self.write_batch(backend, std::mem::take(&mut batch))
                    .await?;
                bytes = 0;
            }
            bytes += step.bytes();
            batch.push(step);
        }
        self.write_batch(backend, batch).await
    }

    async fn write_batch(
        &mut self,
        backend: &Backend,
        batch: Vec<Step>,
    ) -> Result<(), BackendError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut operations = Vec::with_capacity(batch.len() + 1);
        // Noted as they are planned, so that the next one knows how full the leases are.
        let mut leases = BTreeMap::new();
        for step in &batch {
            operations.push(match step {
                Step::Delete { key, .. } => delete(key.clone()),
                Step::Put {
                    key, value, lease, ..
                } => {
                    let lease = match lease {
                        Some(lease) => *lease,
                        None => self.lease(backend).await?,
                    };
                    self.book.leases.take(lease);
                    leases.insert(key.clone(), lease);
                    put(key.clone(), value.clone(), lease)
                }
            });
        }
        let is_delete = |step: &Step| matches!(step, Step::Delete { .. });
        if batch.iter().any(is_delete)
            && let Some(held) = &self.node_held
        {
            operations.push(put(self.keys.left(&self.node), Vec::new(), held.lease));
        }
        let outcome = self.transact(backend, operations).await;
        for lease in leases.values() {
            self.book.leases.release(*lease);
        }
        let revision = outcome?;
        for step in batch {
            match step {
                Step::Delete { instance, key } => self.book.remove(&instance, &key),
                Step::Put {
                    instance,
                    key,
                    value,
                    ..
                } => {
                    let lease = leases.get(&key).copied().unwrap_or_default();
                    let held = Held::new(&value, lease, revision);
                    self.book.put(&instance, key, held);
                }
            }
        }
        Ok(())
    }

    /// Carries out steps as long as the record of the node is ours.
    async fn transact(
        &mut self,
        backend: &Backend,
        steps: Vec<proto::RequestOp>,
    ) -> Result<i64, BackendError> {
        let Claim::Ours(since) = self.claim else {
            return Err(BackendError::ClaimLost);
        };
        let is_ours = self.created_at(since);
        let (written, revision) = backend.transact(transaction(is_ours, steps)).await?;
        match written {
            true => Ok(revision),
            false => Err(BackendError::ClaimLost),
        }
    }

    /// The record of the node was created at this revision; 0 when there is none.
    fn created_at(&self, revision: i64) -> proto::Compare {
        proto::Compare {
            result: compare::CompareResult::Equal.into(),
            target: compare::CompareTarget::Create.into(),
            key: self.keys.node(&self.node),
            target_union: Some(compare::TargetUnion::CreateRevision(revision)),
        }
    }

    fn show(&self) {
        self.shared.update(|status| {
            status.name_taken = self.claim == Claim::Taken;
            // The keys of a namesake are not ours.
            status.published = match self.claim {
                Claim::Ours(_) => self.book.len() as u64,
                Claim::Free | Claim::Taken => 0,
            };
            status.leases = self.book.leases.len() as u64;
            self.selection.show(status);
        });
    }
}

fn transaction(condition: proto::Compare, steps: Vec<proto::RequestOp>) -> proto::TxnRequest {
    proto::TxnRequest {
        compare: vec![condition],
        success: steps,
        failure: Vec::new(),
    }
}

fn put(key: Vec<u8>, value: Vec<u8>, lease: i64) -> proto::RequestOp {
    let put = proto::PutRequest { key, value, lease };
    proto::RequestOp {
        request: Some(request_op::Request::RequestPut(put)),
    }
}

fn delete(key: Vec<u8>) -> proto::RequestOp {
    let range_end = Vec::new();
    let delete = proto::DeleteRangeRequest { key, range_end };
    proto::RequestOp {
        request: Some(request_op::Request::RequestDeleteRange(delete)),
    }
}
