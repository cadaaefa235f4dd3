//! The node's service registry.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Interval, RegistryEtcd};

/// The service registry: Consul's agent API, DNS and gRPC for the programs of this node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// Off: no registry. It is off as well when golens observes one command, unless a file says otherwise.
    pub enabled: bool,
    /// Folder of the durable state; made if it is not there.
    pub data: PathBuf,
    /// Addresses of the Consul API: `127.0.0.1:8500` or `unix:///run/golens/consul.sock`.
    pub http: Vec<String>,
    /// Addresses of the Consul API with encryption.
    pub https: Vec<SocketAddr>,
    /// Addresses of golens' own protocol, gRPC.
    pub grpc: Vec<String>,
    /// Addresses of golens' own protocol with encryption.
    pub grpc_tls: Vec<SocketAddr>,
    /// Addresses of DNS, by UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// Certificates of the encrypted addresses.
    pub tls: TlsFiles,
    /// Zones that DNS answers for.
    pub dns_zones: Vec<String>,
    /// Name of this node; empty for that of the machine.
    pub node: String,
    /// Address by which other nodes reach this one; found by golens if it is not given.
    pub address: Option<IpAddr>,
    /// Name of the datacenter.
    pub datacenter: String,
    /// What callers without a token may do.
    pub default_policy: RegistryPolicy,
    /// Rights of clients by the names in their certificates.
    pub certificates: Vec<CertificateRule>,
    /// What each caller may use up.
    pub limits: RegistryLimits,
    /// Tags that only some callers may use; all others are free.
    pub tag_rules: Vec<TagRule>,
    /// Time between snapshots beside the state; 0s for none.
    pub snapshots: Interval,
    /// The etcd through which it shares what it has with those of other nodes.
    pub etcd: RegistryEtcd,
    /// Go processes that golens found by itself.
    pub discovery: ServiceDiscovery,
}

impl Default for Registry {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            enabled: true,
            data: "/var/lib/golens/registry".into(),
            http: vec![loopback(8500).to_string()],
            https: Vec::new(),
            grpc: vec![loopback(8502).to_string()],
            grpc_tls: Vec::new(),
            dns: vec![loopback(8600)],
            tls: TlsFiles::default(),
            dns_zones: vec!["consul".to_owned()],
            node: String::new(),
            address: None,
            datacenter: "dc1".to_owned(),
            default_policy: RegistryPolicy::default(),
            certificates: Vec::new(),
            limits: RegistryLimits::default(),
            tag_rules: Vec::new(),
            snapshots: Interval(Duration::from_secs(3_600)),
            etcd: RegistryEtcd::default(),
            discovery: ServiceDiscovery::default(),
        }
    }
}

/// PEM files of the encrypted addresses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificate chain that is shown to clients, the own one first.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Authorities whose certificates clients must show; without it they show none.
    pub client_authority: Option<PathBuf>,
}

/// What callers without a token may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegistryPolicy {
    /// Everything: tokens are not looked at.
    #[default]
    Allow,
    /// Nothing.
    Deny,
}

/// What a right is called in settings and on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RegistryRight {
    /// See services and keys.
    Read,
    /// Change them as well.
    Write,
    /// Change tokens and nodes as well.
    Admin,
}

/// Rights of the clients whose certificate carries a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateRule {
    /// A SPIFFE id, a DNS name or the common name; with a `*` at its end, all that begin so.
    pub name: String,
    /// Right by namespace, which may end with a `*` as well.
    pub rights: BTreeMap<String, RegistryRight>,
}

/// What each caller may use up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryLimits {
    /// Requests per second in the long run.
    pub requests_per_second: u32,
    /// Requests at once after a pause.
    pub burst: u32,
    /// Requests and streams that wait for news at one time.
    pub waits: u32,
}

impl Default for RegistryLimits {
    fn default() -> Self {
        let limits = registry::Limits::default();
        Self {
            requests_per_second: limits.requests_per_second,
            burst: limits.burst,
            waits: limits.waits,
        }
    }
}

/// A tag that is not for everybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagRule {
    /// The tag, such as `debug-john`; with a `*` at its end, all that begin so.
    pub tag: String,
    /// Callers that may use it, such as `service shop`; same form.
    pub callers: Vec<String>,
}

/// Services of Go processes with listening sockets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceDiscovery {
    /// Off: only what was registered is there.
    pub enabled: bool,
    /// Namespace of processes that state none (`golens.namespace` in `OTEL_RESOURCE_ATTRIBUTES`).
    pub namespace: String,
    /// Services left out, `*` matching any run of characters.
    pub exclude_services: Vec<String>,
}

impl Default for ServiceDiscovery {
    fn default() -> Self {
        Self {
            enabled: true,
            namespace: registry::model::DEFAULT_NAMESPACE.to_owned(),
            exclude_services: Vec::new(),
        }
    }
}
