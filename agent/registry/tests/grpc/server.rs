//! A registry with a gRPC server in front, on a file of its own.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use registry::{
    ByPeer, Limiter, Limits, OpenError, Options, ProbeOptions, Registry, TagRules,
    grpc::{self, Settings, v1, v1::registry_client::RegistryClient},
    listen::Listener,
    model::Node,
    state::{self, tokens::Rights},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tonic::transport::{Channel, Endpoint};

pub(crate) type Client = RegistryClient<Channel>;

pub(crate) struct Running {
    pub(crate) registry: Registry,
    pub(crate) address: SocketAddr,
    end: watch::Sender<bool>,
    served: JoinHandle<Result<(), tonic_reflection::server::Error>>,
    folder: PathBuf,
}

/// What a test wants to be different.
#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) anonymous: Option<Rights>,
    pub(crate) limits: Limits,
    pub(crate) tag_rules: TagRules,
}

pub(crate) async fn start(wishes: Wishes) -> Running {
    let name = format!("golens-grpc-{}", state::random_hex::<8>().unwrap());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir(&folder).unwrap();
    let registry = open(&folder).await;
    serve(registry, folder, wishes).await
}

async fn open(folder: &std::path::Path) -> Registry {
    let options = Options {
        node: Node {
            name: "node-1".into(),
            id: String::new(),
            address: "10.0.0.1".to_owned(),
            tagged_addresses: BTreeMap::new(),
            meta: BTreeMap::new(),
        },
        node_checks: Vec::new(),
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

async fn serve(registry: Registry, folder: PathBuf, wishes: Wishes) -> Running {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    registry.set_tag_rules(wishes.tag_rules);
    let (end, ends) = watch::channel(false);
    let settings = Settings {
        identity: Arc::new(ByPeer),
        certificates: Arc::default(),
        anonymous: Arc::new(wishes.anonymous.unwrap_or_else(Rights::all)),
        limiter: Arc::new(Limiter::new(wishes.limits)),
    };
    let listeners = vec![Listener::Tcp(listener)];
    let served = tokio::spawn(grpc::serve(listeners, registry.clone(), settings, ends));
    Running {
        registry,
        address,
        end,
        served,
        folder,
    }
}

impl Running {
    pub(crate) async fn client(&self) -> Client {
        RegistryClient::new(self.channel().await)
    }

    pub(crate) async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        // The least that HTTP/2 has, so that a client that does not read is soon a slow one.
        let endpoint = endpoint.initial_stream_window_size(65_535);
        endpoint.connect().await.unwrap()
    }

    /// Ends the server, and everything that it holds open.
    pub(crate) async fn stop(self) {
        let folder = self.end().await;
        std::fs::remove_dir_all(folder).unwrap();
    }

    async fn end(self) -> PathBuf {
        self.end.send_replace(true);
        drop(self.registry);
        self.served.await.unwrap().unwrap();
        self.folder
    }

    /// Ends the server and the registry, and starts both again on the same file.
    pub(crate) async fn restart(self) -> Self {
        let folder = self.end().await;
        let registry = open(&folder).await;
        serve(registry, folder, Wishes::default()).await
    }
}

pub(crate) fn id(id: &str) -> v1::InstanceId {
    v1::InstanceId {
        id: id.to_owned(),
        ..v1::InstanceId::default()
    }
}

pub(crate) fn instance(service: &str, name: &str, tags: &[&str]) -> v1::Instance {
    v1::Instance {
        id: Some(id(name)),
        service: service.to_owned(),
        port: 8080,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..v1::Instance::default()
    }
}

/// A TTL check that begins with `status`.
pub(crate) fn ttl(seconds: i64, status: v1::Status) -> v1::Check {
    let ttl = prost_types::Duration { seconds, nanos: 0 };
    v1::Check {
        status: status.into(),
        probe: Some(v1::check::Probe::Ttl(v1::Ttl { ttl: Some(ttl) })),
        ..v1::Check::default()
    }
}

/// Registers an instance with one TTL check. Returns the revision.
pub(crate) async fn register(
    client: &mut Client,
    instance: v1::Instance,
    status: v1::Status,
) -> u64 {
    let request = v1::RegisterRequest {
        instance: Some(instance),
        checks: vec![ttl(3600, status)],
        replace_checks: false,
    };
    client
        .register(request)
        .await
        .unwrap()
        .into_inner()
        .revision
}

pub(crate) fn ids(instances: &[v1::Instance]) -> Vec<&str> {
    let ids = instances.iter().filter_map(|instance| instance.id.as_ref());
    ids.map(|id| id.id.as_str()).collect()
}
