//! The registry's tables in the state, and the keys of their rows.
//!
//! Rows of index tables are empty: what counts is the revision that each row is stamped with. They are
//! what watchers wait for.

use state::Table;

use crate::model::InstanceKey;

/// Registered instances as JSON, by namespace, node and id.
pub(super) const INSTANCES: Table = Table::foreign(0);

/// Nodes as JSON, by name.
pub(super) const NODES: Table = Table::foreign(1);

/// Index of each service, by namespace and name. Without instances it is a tombstone.
pub(super) const SERVICE_INDEX: Table = Table::foreign(2).with_tombstones();

/// Index of lists: see [`list_key`].
pub(super) const LIST_INDEX: Table = Table::foreign(3);

/// What this registry is called in its cluster, by one fixed key.
pub(super) const CLUSTER: Table = Table::foreign(4);

/// A list that has an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum List<'a> {
    /// Names and tags of the services of a namespace.
    Services(&'a str),
    /// Checks of a namespace; those of nodes are in the empty one.
    Checks(&'a str),
    /// All nodes.
    Nodes,
    /// One node with all that is on it.
    Node(&'a str),
}

pub(super) fn list_key(list: List<'_>) -> Vec<u8> {
    let (kind, name) = match list {
        List::Services(namespace) => (b's', namespace),
        List::Checks(namespace) => (b'c', namespace),
        List::Nodes => (b'a', ""),
        List::Node(node) => (b'n', node),
    };
    [&[kind], name.as_bytes()].concat()
}

pub(super) fn service_key(namespace: &str, service: &str) -> Vec<u8> {
    [namespace.as_bytes(), &[0], service.as_bytes()].concat()
}

pub(super) fn instance_key(key: &InstanceKey) -> Vec<u8> {
    [
        key.namespace.as_bytes(),
        &[0],
        key.node.as_bytes(),
        &[0],
        key.id.as_bytes(),
    ]
    .concat()
}
