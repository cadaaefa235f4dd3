//! A node: a registry in a folder of its own that belongs to a cluster.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use registry::{
    BreakerSettings, Caller, ClusterStatus, FreshnessSettings, OpenError, Options, ProbeOptions,
    ProtectionSettings, Registry, Revision,
    cluster::{Cluster, Settings},
    model::{Addition, CheckSpec, Instance, InstanceKey, Registration, Status},
    state,
};

pub(crate) struct Node {
    pub(crate) registry: Registry,
    pub(crate) cluster: Option<Cluster>,
    name: String,
    folder: PathBuf,
}

/// Times that are short enough to wait for.
pub(crate) fn settings(etcd: SocketAddr) -> Settings {
    Settings {
        endpoints: vec![format!("http://{etcd}")],
        lease_ttl: Duration::from_secs(2),
        call_timeout: Duration::from_millis(500),
        freshness: FreshnessSettings {
            fresh_for: Duration::from_secs(1),
            stale_for: Duration::from_secs(3),
        },
        breaker: BreakerSettings {
            probe_every: Duration::from_millis(500),
            ..BreakerSettings::default()
        },
        protection: ProtectionSettings {
            keep_for: Duration::from_secs(2),
            ..ProtectionSettings::default()
        },
        ..Settings::default()
    }
}

impl Node {
    pub(crate) async fn join(name: &str, settings: Settings) -> Self {
        let folder = format!("golens-node-{}", state::random_hex::<8>().unwrap());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        Self::open(name.to_owned(), folder, settings).await
    }

    async fn open(name: String, folder: PathBuf, settings: Settings) -> Self {
        let registry = registry(&name, &folder).await;
        let cluster = Cluster::join(&registry, settings).await.unwrap();
        Self {
            registry,
            cluster: Some(cluster),
            name,
            folder,
        }
    }

    /// Ends the registry as a crash does, and starts it again.
    pub(crate) async fn restart(self, settings: Settings) -> Self {
        let (name, folder) = (self.name.clone(), self.folder.clone());
        drop(self.cluster);
        drop(self.registry);
        Self::open(name, folder, settings).await
    }

    /// Tells nobody anything any more, as a node that died.
    pub(crate) fn die(&mut self) {
        self.cluster = None;
    }

    pub(crate) async fn register(&self, service: &str, id: &str) -> Revision {
        self.register_in("default", service, id).await
    }

    pub(crate) async fn register_in(&self, namespace: &str, service: &str, id: &str) -> Revision {
        let registration = Registration {
            port: 8080,
            ..Registration::new(self.key(namespace, id), service)
        };
        self.add(registration).await
    }

    pub(crate) async fn add(&self, registration: Registration) -> Revision {
        let me = Caller::internal();
        let registered = self.registry.register(registration, &me).await;
        registered.unwrap().revision
    }

    pub(crate) async fn deregister(&self, id: &str) {
        let key = self.key("default", id);
        let removed = self.registry.deregister(&key, &Caller::internal()).await;
        removed.unwrap();
    }

    pub(crate) fn key(&self, namespace: &str, id: &str) -> InstanceKey {
        InstanceKey {
            namespace: namespace.into(),
            node: self.name.as_str().into(),
            id: id.into(),
        }
    }

    /// `node/id` of the instances of a service, in order.
    pub(crate) fn sees(&self, service: &str) -> Vec<String> {
        self.sees_in("default", service)
    }

    pub(crate) fn sees_in(&self, namespace: &str, service: &str) -> Vec<String> {
        let place = |instance: &Arc<Instance>| format!("{}/{}", instance.key.node, instance.key.id);
        let view = self.registry.service(namespace, service).unwrap();
        view.entries
            .iter()
            .map(|entry| place(&entry.instance))
            .collect()
    }

    pub(crate) fn status(&self) -> ClusterStatus {
        self.registry.cluster_status().unwrap()
    }

    /// Waits until a service has exactly these instances.
    pub(crate) async fn will_see(&self, service: &str, wanted: &[&str]) {
        let what = format!("{} sees {wanted:?}", self.name);
        super::eventually(&what, async || self.sees(service) == wanted).await;
    }

    /// As [`will_see`](Self::will_see).
    pub(crate) async fn will_see_all(&self, service: &str, wanted: Vec<String>) {
        let wanted: Vec<_> = wanted.iter().map(String::as_str).collect();
        self.will_see(service, &wanted).await;
    }

    pub(crate) async fn connected(&self) {
        super::eventually("the node is connected", async || self.status().connected).await;
    }

    /// Removes its folder.
    pub(crate) fn end(self) {
        drop(self.cluster);
        drop(self.registry);
        fs::remove_dir_all(self.folder).unwrap();
    }
}

async fn registry(name: &str, folder: &std::path::Path) -> Registry {
    let options = Options {
        node: registry::model::Node {
            name: name.into(),
            id: String::new(),
            address: "10.0.0.1".to_owned(),
            tagged_addresses: BTreeMap::new(),
            meta: [("rack".to_owned(), name.to_owned())].into(),
        },
        node_checks: vec![Addition {
            status: Some(Status::Passing),
            ..Addition::new(CheckSpec::external("serfHealth", "Serf Health Status"))
        }],
        state: state::Options::default(),
        probes: ProbeOptions::default(),
        snapshot_interval: None,
    };
    let file = folder.join("state.redb");
    loop {
        match Registry::open(&file, options.clone()).await {
            Ok((registry, recovery)) => {
                assert!(recovery.is_none(), "{recovery:?}");
                return registry;
            }
            // Tasks of the registry before this one end on their own.
            Err(OpenError::State(state::OpenError::Engine(state::EngineError::InUse))) => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
