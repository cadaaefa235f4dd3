//! What a source says when it registers an instance.

use std::collections::BTreeMap;

use super::{CheckSpec, InstanceKey, Name, NamedPort, ServiceAddress, Source, Status, Weights};

/// A wish to register one instance. Fields as in [`Instance`](super::Instance).
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of Instance")]
pub struct Registration {
    pub key: InstanceKey,
    pub service: Name,
    pub address: String,
    pub port: u16,
    pub ports: Vec<NamedPort>,
    pub socket_path: String,
    pub tagged_addresses: BTreeMap<String, ServiceAddress>,
    pub tags: Vec<String>,
    pub meta: BTreeMap<String, String>,
    pub weights: Weights,
    pub enable_tag_override: bool,
    pub extra: serde_json::Map<String, serde_json::Value>,
    pub source: Source,
    pub lease: Option<u64>,
    /// Checks to add; one with the id of an older check replaces that.
    pub checks: Vec<Addition>,
    /// Whether older checks that are not in `checks` go. Checks of maintenance mode always stay.
    pub replace_checks: bool,
}

/// A check to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// What to add.
    pub spec: CheckSpec,
    /// Status to begin with. `None`: that of the older check with this id and the same probe, else critical.
    pub status: Option<Status>,
    /// Output to begin with.
    pub output: String,
}

impl Registration {
    /// An instance with nothing but its identity, from the API.
    pub fn new(key: InstanceKey, service: impl Into<Name>) -> Self {
        Self {
            key,
            service: service.into(),
            address: String::new(),
            port: 0,
            ports: Vec::new(),
            socket_path: String::new(),
            tagged_addresses: BTreeMap::new(),
            tags: Vec::new(),
            meta: BTreeMap::new(),
            weights: Weights::default(),
            enable_tag_override: false,
            extra: serde_json::Map::new(),
            source: Source::Api,
            lease: None,
            checks: Vec::new(),
            replace_checks: false,
        }
    }
}

impl Addition {
    /// Adds `spec`, critical until it says otherwise.
    pub fn new(spec: CheckSpec) -> Self {
        Self {
            spec,
            status: None,
            output: String::new(),
        }
    }
}
