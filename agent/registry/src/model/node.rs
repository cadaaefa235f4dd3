//! Nodes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Check, Name, Source};
use crate::Revision;

/// A machine that instances run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name.
    pub name: Name,
    /// A UUID; empty when nobody gave one.
    pub id: String,
    /// Address of instances that name none.
    pub address: String,
    /// Addresses by name.
    pub tagged_addresses: BTreeMap<String, String>,
    /// Key and value.
    pub meta: BTreeMap<String, String>,
}

/// A node as readers see it. Never changed: a change makes a new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// What was registered.
    pub node: Node,
    /// Checks that concern every instance on it.
    pub checks: Vec<Check>,
    /// Where it is known from: registered here by a call, or published by itself.
    #[serde(default)]
    pub source: Source,
    /// Revision of the first registration.
    pub create_revision: Revision,
    /// Revision of the last change of anything but the checks.
    pub modify_revision: Revision,
}

impl NodeEntry {
    /// Whether it is kept by another registry.
    pub fn is_remote(&self) -> bool {
        self.source == Source::Etcd
    }

    /// Revisions of the first registration and of the last change.
    pub(crate) fn revisions(&self) -> (Revision, Revision) {
        (self.create_revision, self.modify_revision)
    }

    /// The checks that this registry looks after.
    pub(crate) fn live_checks(&self) -> &[Check] {
        match self.source {
            Source::Etcd => &[],
            Source::Api | Source::Discovered => &self.checks,
        }
    }
}
