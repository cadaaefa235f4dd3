//! A folder of a test's own, and short ways to say things.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use registry::{
    Caller, Options, ProbeOptions, Registry, Revision, WatchKey,
    model::{
        Addition, CheckKey, CheckSpec, InstanceKey, Node, Probe, Registration, ServiceKey, Status,
    },
    state::{self, Wake},
};

pub(crate) const NS: &str = "default";
pub(crate) const NODE: &str = "node-1";

/// Removed when it goes out of scope.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("golens-registry-{}", state::random_hex::<8>().unwrap());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) async fn open(&self) -> Registry {
        let file = self.path().join("state.redb");
        let (registry, recovery) = Registry::open(&file, options()).await.unwrap();
        assert!(recovery.is_none(), "{recovery:?}");
        registry
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) fn node(name: &str) -> Node {
    Node {
        name: name.into(),
        id: String::new(),
        address: "10.0.0.1".to_owned(),
        tagged_addresses: BTreeMap::new(),
        meta: BTreeMap::new(),
    }
}

fn options() -> Options {
    Options {
        node: node(NODE),
        node_checks: vec![Addition {
            status: Some(Status::Passing),
            ..Addition::new(CheckSpec::external("serfHealth", "Serf Health Status"))
        }],
        state: state::Options::default(),
        probes: ProbeOptions::default(),
        snapshot_interval: None,
    }
}

pub(crate) fn me() -> Caller {
    Caller::internal()
}

pub(crate) fn key(id: &str) -> InstanceKey {
    InstanceKey {
        namespace: NS.into(),
        node: NODE.into(),
        id: id.into(),
    }
}

pub(crate) fn check_key(id: &str) -> CheckKey {
    CheckKey {
        namespace: NS.into(),
        node: NODE.into(),
        id: id.into(),
    }
}

pub(crate) fn watch_key(service: &str) -> WatchKey {
    WatchKey::Service(ServiceKey::new(NS, service))
}

/// Registers instance `id` of `service`.
pub(crate) async fn register(registry: &Registry, service: &str, id: &str) -> Revision {
    let registration = Registration::new(key(id), service);
    let changed = registry.register(registration, &me()).await.unwrap();
    changed.revision
}

/// An instance with one TTL check `c-ID` that passes.
pub(crate) fn with_ttl(service: &str, id: &str, ttl: Duration) -> Registration {
    let spec = CheckSpec {
        probe: Probe::Ttl { ttl },
        ..CheckSpec::external(format!("c-{id}"), "alive")
    };
    Registration {
        checks: vec![Addition {
            status: Some(Status::Passing),
            ..Addition::new(spec)
        }],
        ..Registration::new(key(id), service)
    }
}

pub(crate) fn index(registry: &Registry, service: &str) -> Revision {
    registry.service(NS, service).unwrap().index
}

pub(crate) fn ids(registry: &Registry, service: &str) -> Vec<String> {
    let view = registry.service(NS, service).unwrap();
    let ids = view
        .entries
        .iter()
        .map(|entry| entry.instance.key.id.to_string());
    ids.collect()
}

/// Far beyond what anything here takes; a test that waits for it fails.
pub(crate) fn far() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

/// Waits for the next change of a service.
pub(crate) async fn next(registry: &Registry, service: &str, seen: Revision) -> Revision {
    match registry
        .watch(&watch_key(service), seen, far())
        .await
        .unwrap()
    {
        Wake::Changed(revision) => revision,
        Wake::TimedOut => panic!("{service} does not change any more"),
    }
}
