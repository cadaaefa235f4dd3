//! What the server says of itself.

use std::{collections::BTreeMap, fmt, net::IpAddr, pin::Pin, sync::Arc};

use state::tokens::Rights;

use super::{KeyMount, compat::CompatError};
use crate::{
    CertificateRules,
    model::{Addition, CheckSpec, Node, Status},
};

/// Id of the check that says the node is alive.
pub const SERF_CHECK: &str = "serfHealth";

/// Id and name of the service that Consul's servers are found by.
pub const OWN_SERVICE: &str = "consul";

/// Version of Consul whose API is spoken.
pub const VERSION: &str = "1.21.5";

/// Carries out `/v1/agent/reload`; an error is told to the caller.
pub type Reload =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), CompatError>> + Send>> + Send + Sync>;

/// What the server says of itself.
#[derive(Clone)]
pub struct Settings {
    /// Name of the datacenter; requests for another one are refused.
    pub datacenter: String,
    /// Name of the datacenter that is told as the primary one; empty for the own.
    pub primary_datacenter: String,
    /// Whether it is told that this agent is a server.
    pub is_server: bool,
    /// Version of Consul that is told to clients.
    pub version: String,
    /// Id of the node, a UUID.
    pub node_id: String,
    /// Address of the node.
    pub address: IpAddr,
    /// Port that is told where Consul tells the port of its gossip.
    pub serf_port: u16,
    /// Port that is told where Consul tells the port of its gossip between datacenters.
    pub serf_wan_port: u16,
    /// Port that is told where Consul tells the port of its servers.
    pub server_port: u16,
    /// What callers without a token may do. Where that is everything, tokens are not looked at.
    pub anonymous: Arc<Rights>,
    /// What clients may do by the names in their certificates, when they show no token.
    pub certificates: Arc<CertificateRules>,
    /// Called for `/v1/agent/reload`; without it there is nothing to read again.
    pub reload: Option<Reload>,
    /// Keys that somebody else keeps.
    pub mount: Option<Arc<dyn KeyMount>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            datacenter: "dc1".to_owned(),
            primary_datacenter: String::new(),
            is_server: true,
            version: VERSION.to_owned(),
            node_id: String::new(),
            address: IpAddr::from([127, 0, 0, 1]),
            serf_port: 8301,
            serf_wan_port: 8302,
            server_port: 8300,
            anonymous: Arc::new(Rights::all()),
            certificates: Arc::default(),
            reload: None,
            mount: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Settings")
            .field("datacenter", &self.datacenter)
            .field("version", &self.version)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The node as Consul's clients expect to find it, with further metadata.
    #[must_use]
    pub fn node(&self, name: &str, meta: BTreeMap<String, String>) -> Node {
        let address = self.address.to_string();
        let family = if self.address.is_ipv4() {
            "ipv4"
        } else {
            "ipv6"
        };
        let mut meta = meta;
        meta.insert("consul-network-segment".to_owned(), String::new());
        meta.insert("consul-version".to_owned(), self.version.clone());
        let tagged = ["lan", "wan"].into_iter().flat_map(|scope| {
            let of_family = format!("{scope}_{family}");
            [
                (scope.to_owned(), address.clone()),
                (of_family, address.clone()),
            ]
        });
        Node {
            name: name.into(),
            id: self.node_id.clone(),
            tagged_addresses: tagged.collect(),
            meta,
            address: address.clone(),
        }
    }

    /// The check that every Consul node has; sessions hang on it unless they say otherwise.
    #[must_use]
    pub fn serf_check() -> Addition {
        Addition {
            status: Some(Status::Passing),
            output: "Agent alive and reachable".to_owned(),
            ..Addition::new(CheckSpec::external(SERF_CHECK, "Serf Health Status"))
        }
    }
}
