//! The agent's own configuration: one file per section, all with working defaults.

mod access;
mod address;
mod change;
mod cluster;
mod exporters;
mod live;
mod node;
mod own;
mod probes;
mod problem;
mod read;
mod registry;
mod schema;
mod units;
mod validate;
mod watcher;

pub use access::{AccessSettings, KeySettings, Role, RoleBinding, Vault};
pub(crate) use address::addresses;
pub use change::{Change, SETTINGS, Setting};
pub use cluster::{RegistryBreaker, RegistryEtcd, RegistryFreshness};
pub use exporters::{LogMode, Loki, Otlp, OtlpProtocol};
pub use live::{Live, LiveSender};
pub use node::{Goroutines, Http, Metrics, Recent, Runtime, RuntimeRule, Scope};
pub use own::{Overrides, definition, load, sources};
pub use probes::{Attach, Probes, Window};
pub use problem::{ConfigError, Problem};
pub use registry::{
    CertificateRule, Registry, RegistryLimits, RegistryPolicy, RegistryRight, ServiceDiscovery,
    TagRule, TlsFiles,
};
pub use schema::schema;
pub use units::{Bytes, Interval, Secret};
pub use watcher::{
    ApolloKey, ApolloNamespace, ConfigWatcher, ConsulKeys, Document, DocumentSource,
    DocumentVersion, EtcdKeys, SourceKind,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything a user can set, valid by itself when nothing is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which processes golens may open at all.
    pub scope: Scope,
    /// What is attached to a target.
    pub probes: Probes,
    /// Memory reader of the Go runtime.
    pub runtime: Runtime,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// The agent's own HTTP server.
    pub http: Http,
    /// Spans and log lines kept in memory.
    pub recent: Recent,
    /// Spans to Tempo, Jaeger or a collector.
    pub otlp: Otlp,
    /// Log lines to Loki.
    pub loki: Loki,
    /// The node's service registry.
    pub registry: Registry,
    /// Documents of the node's services.
    pub config: ConfigWatcher,
}

#[cfg(test)]
mod sample {
    use std::path::Path;

    #[tokio::test]
    async fn the_sample_in_deploy_is_valid_and_says_the_defaults() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config/golens.yaml");
        let config = super::load(Some(&root)).await.expect("the sample is read");
        assert_eq!(config, super::Config::default());
    }
}
