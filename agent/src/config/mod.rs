//! The agent's own configuration: one file per section, all with working defaults.

mod cluster;
mod exporters;
mod load;
mod node;
mod probes;
mod problem;
mod registry;
mod units;
mod validate;

pub use cluster::{RegistryBreaker, RegistryEtcd, RegistryFreshness};
pub use exporters::{LogMode, Loki, Otlp, OtlpProtocol};
pub use node::{Goroutines, Http, Metrics, Recent, Runtime, RuntimeRule, Scope};
pub use probes::{Attach, Probes, Window};
pub use problem::{ConfigError, Problem};
pub use registry::{
    CertificateRule, Registry, RegistryLimits, RegistryPolicy, RegistryRight, RegistryTls,
    ServiceDiscovery, TagRule,
};
pub use units::{Bytes, Interval, Secret};

use serde::{Deserialize, Serialize};

/// Everything a user can set, valid by itself when nothing is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
}

#[cfg(test)]
mod sample {
    use super::Config;

    #[test]
    fn the_sample_in_deploy_is_valid() {
        let sample = include_str!("../../../deploy/config/golens.yaml");
        let config = Config::parse(sample).expect("the sample is read");
        assert_eq!(config.validate(), []);
    }
}
