//! Instances of services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Check, CheckKey, Health, Meta, Name, ServiceKey};
use crate::Revision;

/// One instance; ids are unique per namespace and node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstanceKey {
    /// Fixed at registration.
    pub namespace: Name,
    /// Node that the instance runs on.
    pub node: Name,
    /// Id, chosen by the registration.
    pub id: Name,
}

/// Where we know an instance from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// It was registered by a call; kept on disk.
    #[default]
    Api,
    /// The agent found the process; comes again from discovery after a restart.
    Discovered,
    /// Another node published it; kept on disk for a start without etcd.
    Etcd,
}

/// Share of traffic, by health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// Weight while all checks pass.
    pub passing: u32,
    /// Weight while one warns.
    pub warning: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            passing: 1,
            warning: 1,
        }
    }
}

/// A further address of an instance or node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAddress {
    /// Host or address, as it was registered.
    pub address: String,
    /// 0 when it has none.
    pub port: u16,
}

/// One of several ports of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPort {
    /// Such as `grpc` or `metrics`.
    pub name: String,
    /// Port number.
    pub port: u16,
    /// Whether this is the one to use when no name is asked for.
    pub default: bool,
}

/// One instance of a service, as readers see it. Never changed: a change makes a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Who it is.
    pub key: InstanceKey,
    /// What it is an instance of.
    pub service: Name,
    /// Host or address; empty means that of the node.
    pub address: String,
    /// 0 when it has none.
    pub port: u16,
    /// All ports, when there are several.
    pub ports: Vec<NamedPort>,
    /// Path of a Unix socket instead of address and port; empty without.
    pub socket_path: String,
    /// Addresses by name, never rewritten.
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    /// In the order of the registration, never rewritten.
    pub tags: Vec<String>,
    /// Key and value.
    pub meta: Meta,
    /// Share of traffic.
    pub weights: Weights,
    /// Whether tags may be changed from outside.
    pub enable_tag_override: bool,
    /// What a protocol wants back word for word and the registry does not read.
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// Where it is known from.
    pub source: Source,
    /// Lease of the back end that it lives by.
    pub lease: Option<u64>,
    /// Its own checks, in the order of registration.
    pub checks: Vec<Check>,
    /// Revision of the first registration.
    pub create_revision: Revision,
    /// Revision of the last change of anything but the checks.
    pub modify_revision: Revision,
}

impl Instance {
    /// Namespace and service.
    pub fn service_key(&self) -> ServiceKey {
        ServiceKey::new(Name::clone(&self.key.namespace), Name::clone(&self.service))
    }

    /// Key of its check `id`.
    pub fn check_key(&self, id: &Name) -> CheckKey {
        CheckKey {
            namespace: Name::clone(&self.key.namespace),
            node: Name::clone(&self.key.node),
            id: Name::clone(id),
        }
    }

    /// The checks that this registry looks after.
    pub(crate) fn live_checks(&self) -> &[Check] {
        match self.source {
            Source::Etcd => &[],
            Source::Api | Source::Discovered => &self.checks,
        }
    }

    /// What its own checks add up to; the node's are not counted.
    pub fn health(&self) -> Health {
        Health::of(&self.checks)
    }

    /// Whether it has all of `tags`.
    pub fn has_tags<T: AsRef<str>>(&self, tags: &[T]) -> bool {
        tags.iter()
            .all(|wanted| self.tags.iter().any(|tag| tag == wanted.as_ref()))
    }
}
