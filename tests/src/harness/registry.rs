//! What the agent says of its registry.

use serde::Deserialize;

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the API")]
pub struct InstanceRow {
    pub namespace: String,
    pub service: String,
    pub id: String,
    pub node: String,
    pub address: String,
    pub port: u16,
    pub tags: Vec<String>,
    pub source: String,
    pub health: String,
}

/// How the registry is.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the API")]
pub struct RegistryRow {
    pub state: String,
    pub reason: Option<String>,
    pub cluster: Option<ClusterRow>,
    pub listeners: Vec<ListenerRow>,
    pub discovered: Vec<FoundRow>,
    pub events: Vec<EventRow>,
}

/// How the registry's cluster is.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the API")]
pub struct ClusterRow {
    pub connected: bool,
    pub view: String,
    pub breaker: String,
    pub breaker_opened: u64,
    pub name_taken: bool,
    pub nodes: u64,
    pub remote: u64,
    pub published: u64,
    pub kept_here: u64,
    pub protected: u64,
    #[serde(default)]
    pub last_error: String,
}

/// One address of the registry.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the API")]
pub struct ListenerRow {
    pub protocol: String,
    pub address: String,
    pub listening: bool,
    pub reason: Option<String>,
}

/// A listening socket, and what became of it.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the API")]
pub struct FoundRow {
    pub pid: u32,
    pub service: String,
    pub address: String,
    pub outcome: String,
    pub reason: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the API")]
pub struct EventRow {
    pub kind: String,
    pub subject: String,
    pub reason: String,
}

impl RegistryRow {
    /// Address of the first listener of a protocol that answers, without its scheme.
    #[must_use]
    pub fn address(&self, protocol: &str) -> Option<&str> {
        let mut of_protocol = self.listeners.iter();
        let listener = of_protocol.find(|row| row.protocol == protocol && row.listening)?;
        listener
            .address
            .split_once("://")
            .map(|(_, address)| address)
    }
}
