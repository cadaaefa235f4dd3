//! Which settings change while golens runs, and why the others do not.

use super::Config;

/// What becomes of a changed setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It takes effect at once.
    Live,
    /// It is refused until golens is started again, for this reason.
    Restart(&'static str),
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Dotted path: `probes.ring`.
    pub path: &'static str,
    /// What becomes of it when it changes.
    pub change: Change,
    differs: fn(&Config, &Config) -> bool,
}

use Change::{Live, Restart};

const PROBES: Change = Restart("what is attached to a process is decided when it is found");
const LINKS: Change = Restart("how links are made is proven at the start");
const RING: Change = Restart("the ring is made in the kernel at the start");
const READERS: Change = Restart("what is read of a process is decided when it is found");
const ROOM: Change = Restart("room for goroutines is taken at the start");
const ADDRESS: Change = Restart("addresses are taken at the start");
const STATE: Change = Restart("the state is opened at the start");
const NODE: Change = Restart("others know this node by it since the start");
const FILES: Change = Restart("certificates are read at the start");
const SWITCH: Change = Restart("the registry is started with golens or not at all");
const CLUSTER: Change = Restart("the cluster is joined at the start");
const BOOT: Change = Restart("where settings come from is decided at the start");
const KEYS: Change = Restart("keys are opened at the start");
const RIGHTS: Change = Restart("what a connection may do is decided when it is made");
const FOUND: Change = Restart("instances that were found are registered by it since the start");
const DOCUMENTS: Change = Restart("documents are opened at the start");

macro_rules! settings {
    ($($($field:ident).+ => $change:expr,)*) => {
        /// Every setting, by its path.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            path: stringify!($($field).+),
            change: $change,
            differs: |one, other| one.$($field).+ != other.$($field).+,
        }),*];
    };
}

settings! {
    scope.cgroups => Live,
    scope.executables => Live,
    scope.exclude_executables => Live,
    scope.pids => Live,
    probes.http => PROBES,
    probes.grpc => PROBES,
    probes.logs => PROBES,
    probes.gc => PROBES,
    probes.goroutines.enabled => Live,
    probes.goroutines.length => Live,
    probes.goroutines.every => Live,
    probes.goroutines.budget => Live,
    probes.net.enabled => Live,
    probes.net.length => Live,
    probes.net.every => Live,
    probes.net.budget => Live,
    probes.attach => LINKS,
    probes.ring => RING,
    probes.drain => Live,
    runtime.enabled => READERS,
    runtime.interval => Live,
    runtime.rules => Live,
    runtime.goroutines.enabled => READERS,
    runtime.goroutines.interval => Live,
    runtime.goroutines.limit => ROOM,
    metrics.classic_names => Live,
    http.listen => ADDRESS,
    recent.memory => Live,
    recent.keep => Live,
    otlp.endpoint => Live,
    otlp.protocol => Live,
    otlp.headers => Live,
    otlp.timeout => Live,
    otlp.queue => Live,
    loki.endpoint => Live,
    loki.tenant => Live,
    loki.headers => Live,
    loki.labels => Live,
    loki.mode => Live,
    loki.timeout => Live,
    loki.queue => Live,
    registry.enabled => SWITCH,
    registry.data => STATE,
    registry.http => ADDRESS,
    registry.https => ADDRESS,
    registry.grpc => ADDRESS,
    registry.grpc_tls => ADDRESS,
    registry.dns => ADDRESS,
    registry.tls.certificate => FILES,
    registry.tls.key => FILES,
    registry.tls.client_authority => FILES,
    registry.dns_zones => ADDRESS,
    registry.node => NODE,
    registry.address => NODE,
    registry.datacenter => NODE,
    registry.default_policy => RIGHTS,
    registry.certificates => RIGHTS,
    registry.limits.requests_per_second => Live,
    registry.limits.burst => Live,
    registry.limits.waits => Live,
    registry.tag_rules => Live,
    registry.snapshots => STATE,
    registry.etcd.endpoints => CLUSTER,
    registry.etcd.prefix => CLUSTER,
    registry.etcd.ca => CLUSTER,
    registry.etcd.cert => CLUSTER,
    registry.etcd.key => CLUSTER,
    registry.etcd.user => CLUSTER,
    registry.etcd.password_file => CLUSTER,
    registry.etcd.ttl => CLUSTER,
    registry.etcd.publish_loopback => CLUSTER,
    registry.etcd.call_timeout => CLUSTER,
    registry.etcd.freshness.fresh => CLUSTER,
    registry.etcd.freshness.stale => CLUSTER,
    registry.etcd.breaker.timeouts => CLUSTER,
    registry.etcd.breaker.failed_percent => CLUSTER,
    registry.etcd.breaker.open => CLUSTER,
    registry.etcd.breaker.probe => CLUSTER,
    registry.etcd.breaker.trials => CLUSTER,
    registry.etcd.keep_lost => CLUSTER,
    registry.discovery.enabled => FOUND,
    registry.discovery.namespace => FOUND,
    registry.discovery.exclude_services => FOUND,
    config.http => ADDRESS,
    config.https => ADDRESS,
    config.grpc => ADDRESS,
    config.grpc_tls => ADDRESS,
    config.apollo => ADDRESS,
    config.apollo_tls => ADDRESS,
    config.tls.certificate => FILES,
    config.tls.key => FILES,
    config.tls.client_authority => FILES,
    config.keys => KEYS,
    config.access.roles => Live,
    config.access.bindings => Live,
    config.apollo_keys => Live,
    config.sources => BOOT,
    config.documents => DOCUMENTS,
}

impl Config {
    /// The settings that differ from those of `other`.
    pub fn changes<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'static Setting> {
        SETTINGS
            .iter()
            .filter(move |setting| (setting.differs)(self, other))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value as Json;

    use super::*;
    use crate::config::{Bytes, schema};

    /// Settings of a schema: what has no settings of its own inside. Lists and mappings of users are one, and so
    /// is a group that may be missing as a whole.
    fn leaves(path: &str, schema: &Json, found: &mut BTreeSet<String>) {
        let properties = schema.get("properties").and_then(Json::as_object);
        for (key, inner) in properties.into_iter().flatten() {
            let path = match path {
                "" => key.clone(),
                _ => format!("{path}.{key}"),
            };
            let kinds = inner.get("type").and_then(Json::as_array);
            let is_optional =
                path.contains('.') && kinds.is_some_and(|kinds| kinds.contains(&"null".into()));
            match inner.get("properties") {
                Some(_) if !is_optional => leaves(&path, inner, found),
                _ => drop(found.insert(path)),
            }
        }
    }

    #[test]
    fn every_setting_says_what_becomes_of_a_change() {
        let mut settings = BTreeSet::new();
        leaves("", &schema(), &mut settings);
        let stated: BTreeSet<_> = SETTINGS.iter().map(|it| it.path.to_owned()).collect();
        assert_eq!(stated.len(), SETTINGS.len(), "a setting is there twice");
        assert_eq!(stated, settings);
    }

    #[test]
    fn a_change_is_found_by_its_path() {
        let mut changed = Config::default();
        changed.probes.ring = Bytes(4 << 10);
        changed.http.listen.set_port(1);
        let before = Config::default();
        let paths: Vec<_> = before.changes(&changed).map(|it| it.path).collect();
        assert_eq!(paths, ["probes.ring", "http.listen"]);
        assert_eq!(changed.changes(&changed).count(), 0);
    }
}
