//! Which instances have which address.

use std::collections::{BTreeSet, HashMap};

use crate::model::{Instance, InstanceKey, Name, Source};

/// Addresses of a socket that listens on all of its host's.
const ANY: [&str; 3] = ["0.0.0.0", "::", "[::]"];

/// Instances of each source by node, port and address. Addresses are kept as they were registered, since
/// that of the node, which an empty one stands for, may change.
#[derive(Default)]
pub(super) struct Endpoints {
    sources: HashMap<(Source, Name, u16), Addresses>,
}

type Addresses = HashMap<String, BTreeSet<InstanceKey>>;

impl Endpoints {
    pub(super) fn add(&mut self, instance: &Instance) {
        let addresses = self.sources.entry(place(instance, instance.source));
        let keys = addresses
            .or_default()
            .entry(socket_address(instance).to_owned());
        keys.or_default().insert(instance.key.clone());
    }

    pub(super) fn remove(&mut self, instance: &Instance) {
        let place = place(instance, instance.source);
        let Some(addresses) = self.sources.get_mut(&place) else {
            return;
        };
        if let Some(keys) = addresses.get_mut(socket_address(instance)) {
            keys.remove(&instance.key);
            if keys.is_empty() {
                addresses.remove(socket_address(instance));
            }
        }
        if addresses.is_empty() {
            self.sources.remove(&place);
        }
    }

    /// Instances from `source` that are the same socket as `instance`, on a node with this address. A
    /// socket that listens on all addresses answers at each of them; without a port there is none.
    pub(super) fn same_socket<'a>(
        &'a self,
        instance: &Instance,
        source: Source,
        node_address: &str,
    ) -> Box<dyn Iterator<Item = &'a InstanceKey> + 'a> {
        let addresses = self.sources.get(&place(instance, source));
        let Some(addresses) = addresses.filter(|_| instance.port != 0) else {
            return Box::new(std::iter::empty());
        };
        let own = socket_address(instance);
        if ANY.contains(&own) {
            return Box::new(addresses.values().flatten());
        }
        let mut equal = BTreeSet::from(ANY);
        equal.insert(own);
        if own.is_empty() || own == node_address {
            equal.extend(["", node_address]);
        }
        let keys: Vec<_> = equal
            .into_iter()
            .filter_map(|address| addresses.get(address))
            .collect();
        Box::new(keys.into_iter().flatten())
    }
}

fn place(instance: &Instance, source: Source) -> (Source, Name, u16) {
    (source, Name::clone(&instance.key.node), instance.port)
}

/// Where the instance's socket listens. A process that was found without an address listens on all of its
/// node's, while a registration without one means the node's own.
fn socket_address(instance: &Instance) -> &str {
    match instance.source {
        Source::Discovered if instance.address.is_empty() => "0.0.0.0",
        _ => &instance.address,
    }
}
