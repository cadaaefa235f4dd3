//! What of this node is told to others, in which form, and what is not, for which reason.

use std::collections::BTreeSet;

use super::{keys::Keys, reach, record};
use crate::{
    degrade::ClusterStatus,
    model::{Instance, InstanceKey},
};

/// Decides about one instance at a time, and knows what it left out.
pub(super) struct Selection {
    keys: Keys,
    /// Most bytes of a key with its value.
    largest: usize,
    publish_loopback: bool,
    /// Address of the node, which instances without one have.
    node: String,
    too_large: BTreeSet<InstanceKey>,
    kept_here: BTreeSet<InstanceKey>,
}

impl Selection {
    pub(super) fn new(keys: Keys, largest: usize, publish_loopback: bool) -> Self {
        Self {
            keys,
            largest,
            publish_loopback,
            node: String::new(),
            too_large: BTreeSet::new(),
            kept_here: BTreeSet::new(),
        }
    }

    /// Takes note of the node's address. Returns whether it is another one: everything is to be decided anew.
    pub(super) fn node_is_at(&mut self, address: &str) -> bool {
        if self.node == address {
            return false;
        }
        address.clone_into(&mut self.node);
        if reach::is_loopback(address) && !self.publish_loopback {
            tracing::warn!(
                address,
                "other nodes do not reach the address of this node: instances without an address of their own are not published until it has another (--address, registry.address)"
            );
        }
        true
    }

    /// The key and the value that an instance should have in etcd; `None` when it stays here.
    pub(super) fn wanted(&mut self, instance: &Instance) -> Option<(Vec<u8>, Vec<u8>)> {
        let id = &instance.key;
        if !reach::is_for_others(instance, &self.node, self.publish_loopback) {
            self.gone(id);
            self.kept_here.insert(id.clone());
            return None;
        }
        self.kept_here.remove(id);
        let name = self.keys.instance(&instance.service, id);
        let value = record::of_instance(instance).ok();
        let value = value.filter(|value| value.len() + name.len() <= self.largest);
        let is_new = match &value {
            Some(_) => {
                self.too_large.remove(id);
                false
            }
            None => self.too_large.insert(id.clone()),
        };
        if is_new {
            tracing::error!(id = %id.id, service = %instance.service, most = self.largest, "an instance is too large to be published to other nodes");
        }
        Some((name, value?))
    }

    /// An instance is not there any more.
    pub(super) fn gone(&mut self, instance: &InstanceKey) {
        self.too_large.remove(instance);
        self.kept_here.remove(instance);
    }

    pub(super) fn show(&self, status: &mut ClusterStatus) {
        status.too_large = self.too_large.len() as u64;
        status.kept_here = self.kept_here.len() as u64;
    }
}
