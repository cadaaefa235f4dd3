//! The seam for other nodes: what they say becomes instances like all others, with source `Etcd`.
//!
//! They are on disk like registered ones, so that a restart without the back end knows them still, and are
//! stamped with revisions of this registry: a record that says what is known already changes nothing and
//! wakes nobody.

use std::sync::Arc;

use state::Rows;

use super::{Registry, change::Change, outward::Outward, tables::CLUSTER};
use crate::{
    RegistryError, Revision,
    degrade::Shared,
    model::{Check, Instance, InstanceKey, Name, Node, NodeEntry, Source},
};

/// Changes that go into one step of the state: enough to share a commit, few enough not to hold up others.
const AT_ONCE: usize = 256;

/// Key of the row that says who this registry is.
const IDENTITY: &[u8] = b"identity";

/// One change of what another node says.
#[derive(Clone, Debug)]
pub(crate) enum Remote {
    /// A node and its checks.
    Node(Box<Node>, Vec<Check>),
    /// An instance; its node is known.
    Instance(Box<Instance>),
    /// An instance is gone.
    Gone(InstanceKey),
    /// A node is gone, with its instances.
    NodeGone(Name),
}

impl Registry {
    /// What the cluster's task shows of itself; `None` before [`join`](Self::join).
    pub(crate) fn cluster(&self) -> Option<&Arc<Shared>> {
        self.inner.cluster.get()
    }

    /// Begins to show what `shared` says. Returns false when the registry belongs to a cluster already.
    pub(crate) fn join(&self, shared: Arc<Shared>) -> bool {
        self.inner.model.outward.begin();
        self.inner.cluster.set(shared).is_ok()
    }

    /// What changes on this node.
    pub(crate) fn outward(&self) -> &Outward {
        &self.inner.model.outward
    }

    /// What this registry is called in its cluster: made once, and kept for as long as the state.
    pub(crate) async fn identity(&self) -> Result<String, RegistryError> {
        if let Some(row) = self.inner.store.read()?.get(CLUSTER, IDENTITY)? {
            return Ok(String::from_utf8_lossy(&row.payload).into_owned());
        }
        let new = state::random_uuid().ok_or_else(|| state::EngineError::Other {
            reason: "the system has no random bytes to give".to_owned(),
        })?;
        let row = new.clone();
        let written = self.inner.store.write(move |tx| {
            tx.put(CLUSTER, IDENTITY, row.as_bytes());
            Ok::<_, state::WriteError>(())
        });
        written.await?;
        Ok(new)
    }

    /// Instances that other nodes have.
    pub(crate) fn remote_instances(&self) -> Vec<Arc<Instance>> {
        let mut all = self.inner.model.published.all_instances();
        all.retain(|instance| instance.source == Source::Etcd);
        all
    }

    /// Other nodes that said so themselves.
    pub(crate) fn remote_nodes(&self) -> Vec<Name> {
        let nodes = self.nodes();
        let remote = nodes.nodes.iter().filter(|entry| entry.is_remote());
        remote.map(|entry| Name::clone(&entry.node.name)).collect()
    }

    /// Takes what other nodes say, in this order. Returns how many changes were not taken because the
    /// instance or node was registered here by a call.
    pub(crate) async fn take_remote(&self, changes: Vec<Remote>) -> Result<u64, RegistryError> {
        let (refusals, refused) = std::sync::mpsc::channel();
        for part in changes.chunks(AT_ONCE) {
            let (part, refusals) = (part.to_vec(), refusals.clone());
            self.change(move |change| {
                change.is_remote = true;
                for remote in part {
                    if !take(change, remote)? && refusals.send(()).is_err() {
                        break;
                    }
                }
                Ok(())
            })
            .await?;
        }
        drop(refusals);
        Ok(refused.iter().count() as u64)
    }
}

fn take(change: &mut Change<'_, '_>, remote: Remote) -> Result<bool, RegistryError> {
    match remote {
        Remote::Node(node, checks) => put_node(change, *node, checks),
        Remote::Instance(instance) => put_instance(change, *instance),
        Remote::Gone(key) => {
            let known = change.instance(&key);
            if known.is_some_and(|known| known.source == Source::Etcd) {
                change.remove_instance(&key)?;
            }
            Ok(true)
        }
        Remote::NodeGone(name) => {
            for instance in change.instances_on(&name) {
                if instance.source == Source::Etcd {
                    change.remove_instance(&instance.key)?;
                }
            }
            // What was registered here by a call stays, and needs its node.
            let is_free = change.instances_on(&name).is_empty();
            let is_remote = change.node(&name).is_some_and(|entry| entry.is_remote());
            if is_free && is_remote {
                change.remove_node(&name)?;
            }
            Ok(true)
        }
    }
}

fn put_node(
    change: &mut Change<'_, '_>,
    node: Node,
    checks: Vec<Check>,
) -> Result<bool, RegistryError> {
    let old = change.node(&node.name);
    if old.as_ref().is_some_and(|old| !old.is_remote()) {
        return Ok(false);
    }
    let revision = change.revision();
    let is_same = old.as_ref().is_some_and(|old| old.node == node);
    let (created, modified) = stamps(old.as_deref().map(NodeEntry::revisions), is_same, revision);
    let new = NodeEntry {
        node,
        checks: stamped(checks, old.as_ref().map(|old| &old.checks), revision),
        source: Source::Etcd,
        create_revision: created,
        modify_revision: modified,
    };
    if old.as_deref() != Some(&new) {
        change.put_node(new)?;
    }
    Ok(true)
}

fn put_instance(change: &mut Change<'_, '_>, instance: Instance) -> Result<bool, RegistryError> {
    let old = change.instance(&instance.key);
    if old.as_ref().is_some_and(|old| old.source != Source::Etcd) {
        return Ok(false);
    }
    if change.node(&instance.key.node).is_none() {
        return Err(RegistryError::UnknownNode(instance.key.node));
    }
    let revision = change.revision();
    let mut new = Instance {
        checks: stamped(
            instance.checks,
            old.as_ref().map(|old| &old.checks),
            revision,
        ),
        source: Source::Etcd,
        lease: None,
        ..instance
    };
    let revisions = old
        .as_ref()
        .map(|old| (old.create_revision, old.modify_revision));
    (new.create_revision, new.modify_revision) = revisions.unwrap_or((revision, revision));
    let is_same = old.as_ref().is_some_and(|old| {
        let checks = std::mem::replace(&mut new.checks, old.checks.clone());
        let is_same = **old == new;
        new.checks = checks;
        is_same
    });
    (new.create_revision, new.modify_revision) = stamps(revisions, is_same, revision);
    if old.as_deref() != Some(&new) {
        change.put_instance(new)?;
    }
    Ok(true)
}

/// The checks with revisions of this registry.
fn stamped(checks: Vec<Check>, old: Option<&Vec<Check>>, revision: Revision) -> Vec<Check> {
    let stamp = |check: Check| {
        let mut known = old.into_iter().flatten();
        let known = known.find(|known| known.spec.id == check.spec.id);
        let is_same =
            known.is_some_and(|known| known.spec == check.spec && known.status == check.status);
        let revisions = known.map(|known| (known.create_revision, known.modify_revision));
        let (create_revision, modify_revision) = stamps(revisions, is_same, revision);
        Check {
            create_revision,
            modify_revision,
            ..check
        }
    };
    checks.into_iter().map(stamp).collect()
}

/// Revisions of creation and change of something, by those that it had.
fn stamps(old: Option<(Revision, Revision)>, is_same: bool, now: Revision) -> (Revision, Revision) {
    match old {
        Some((created, modified)) if is_same => (created, modified),
        Some((created, _)) => (created, now),
        None => (now, now),
    }
}
