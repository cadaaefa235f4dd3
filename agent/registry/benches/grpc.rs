//! The own gRPC protocol and the node's checks, clients included, on loopback.
//!
//! `cargo bench -p golens-registry --bench grpc`
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use registry::{
    ByPeer, Caller, Limiter, Limits, Options, ProbeOptions, Registry,
    grpc::{self, Settings, v1, v1::registry_client::RegistryClient},
    listen::Listener,
    model::{Addition, CheckSpec, InstanceKey, Node, Probe, Registration, Schedule, Status, Tls},
    state::{self, tokens::Rights},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};
use tonic::transport::{Channel, Endpoint};

const CONNECTIONS: usize = 8;
const INSTANCES: usize = 10;

type Client = RegistryClient<Channel>;

fn main() {
    let folder = std::env::temp_dir().join(format!(
        "golens-bench-{}",
        state::random_hex::<8>().expect("random numbers")
    ));
    fs::create_dir(&folder).expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(&folder.join("state.redb")));
    fs::remove_dir_all(folder).expect("remove the folder");
}

async fn run(file: &Path) {
    let registry = open(file).await;
    for number in 0..INSTANCES {
        register(&registry, "web", number, None).await;
    }
    let address = serve(registry.clone()).await;
    resolves(address, 200_000).await;
    heartbeats(address, 500_000).await;
    for watchers in [1_000, 10_000] {
        changes(address, &registry, watchers).await;
    }
    checks(&registry, 5_000).await;
}

async fn open(file: &Path) -> Registry {
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
        probes: ProbeOptions {
            per_destination: 256,
            ..ProbeOptions::default()
        },
        snapshot_interval: None,
    };
    let opened = Registry::open(file, options).await;
    opened.expect("a registry").0
}

/// An instance with a TTL check, or with a TCP check of `address` each second.
async fn register(registry: &Registry, service: &str, number: usize, address: Option<SocketAddr>) {
    let id = format!("{service}-{number}");
    let probe = match address {
        None => Probe::Ttl {
            ttl: Duration::from_secs(3600),
        },
        Some(address) => Probe::Tcp {
            address: address.to_string(),
            tls: Tls::default(),
            schedule: Schedule {
                interval: Duration::from_secs(1),
                timeout: None,
            },
        },
    };
    let spec = CheckSpec {
        probe,
        ..CheckSpec::external(format!("service:{id}"), "alive")
    };
    let key = InstanceKey {
        namespace: "default".into(),
        node: "node-1".into(),
        id: id.into(),
    };
    let registration = Registration {
        port: 8080,
        tags: vec!["v1".to_owned()],
        checks: vec![Addition {
            status: Some(Status::Passing),
            ..Addition::new(spec)
        }],
        ..Registration::new(key, service)
    };
    let registered = registry.register(registration, &Caller::internal()).await;
    registered.expect("a registration");
}

async fn serve(registry: Registry) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a socket");
    let address = listener.local_addr().expect("an address");
    let settings = Settings {
        identity: Arc::new(ByPeer),
        certificates: Arc::default(),
        anonymous: Arc::new(Rights::all()),
        limiter: Arc::new(Limiter::new(Limits {
            requests_per_second: u32::MAX,
            burst: u32::MAX,
            ..Limits::default()
        })),
    };
    tokio::spawn(async move {
        let (_end, ends) = watch::channel(false);
        let listeners = vec![Listener::Tcp(listener)];
        let served = grpc::serve(listeners, registry, settings, ends).await;
        served.expect("a server");
    });
    address
}

async fn connect(address: SocketAddr) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    RegistryClient::new(endpoint.connect().await.expect("a connection"))
}

async fn resolves(address: SocketAddr, count: usize) {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let client = connect(address).await;
        for _ in 0..8 {
            let mut client = client.clone();
            tasks.spawn(async move {
                for _ in 0..count / CONNECTIONS / 8 {
                    let request = v1::ResolveRequest {
                        service: "web".to_owned(),
                        ..v1::ResolveRequest::default()
                    };
                    client.resolve(request).await.expect("an answer");
                }
            });
        }
    }
    tasks.join_all().await;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    println!("resolve, {INSTANCES} instances, {CONNECTIONS} connections x 8: {rate:.0}/s");
}

async fn heartbeats(address: SocketAddr, count: usize) {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut client = connect(address).await;
        tasks.spawn(async move {
            let beat = v1::KeepAliveRequest {
                id: Some(v1::InstanceId {
                    id: "web-1".to_owned(),
                    ..v1::InstanceId::default()
                }),
                ..v1::KeepAliveRequest::default()
            };
            let beats = std::iter::repeat_n(beat, count / CONNECTIONS);
            let answers = client.keep_alive(tokio_stream::iter(beats)).await;
            let mut answers = answers.expect("a stream").into_inner();
            while let Some(answer) = answers.message().await.expect("an answer") {
                assert!(answer.known);
            }
        });
    }
    tasks.join_all().await;
    let rate = count as f64 / began.elapsed().as_secs_f64();
    println!("heartbeats over {CONNECTIONS} streams: {rate:.0}/s");
}

/// From the call that changes a tag to the arrival at each of the clients that watch, 20 times.
async fn changes(address: SocketAddr, registry: &Registry, watchers: usize) {
    let (arrived, mut arrivals) = mpsc::channel(watchers);
    let mut tasks = JoinSet::new();
    for _ in 0..watchers.div_ceil(100) {
        let client = connect(address).await;
        for _ in 0..100 {
            let (mut client, arrived) = (client.clone(), arrived.clone());
            tasks.spawn(async move {
                let request = v1::WatchRequest {
                    service: "web".to_owned(),
                    ..v1::WatchRequest::default()
                };
                let messages = client.watch(request).await.expect("a stream");
                let mut messages = messages.into_inner();
                while let Ok(Some(_)) = messages.message().await {
                    if arrived.send(Instant::now()).await.is_err() {
                        return;
                    }
                }
            });
        }
    }
    for _ in 0..watchers {
        arrivals.recv().await.expect("a snapshot");
    }
    let mut delays = Vec::new();
    let key = InstanceKey {
        namespace: "default".into(),
        node: "node-1".into(),
        id: "web-1".into(),
    };
    for round in 0..20 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let tags = vec![format!("round-{watchers}-{round}")];
        let began = Instant::now();
        let changed = registry.set_tags(&key, tags, &Caller::internal()).await;
        changed.expect("a change");
        for _ in 0..watchers {
            let arrived = arrivals.recv().await.expect("a change");
            delays.push(arrived.duration_since(began));
        }
    }
    delays.sort_unstable();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let (half, most, all) = (at(0.5), at(0.99), at(1.0));
    println!("change -> {watchers} watchers: p50 {half:.1} ms, p99 {most:.1} ms, max {all:.1} ms");
    tasks.shutdown().await;
}

/// The processor time of TCP checks each second, with that of the listener they connect to.
async fn checks(registry: &Registry, count: usize) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a socket");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    for number in 0..count {
        register(registry, "db", number, Some(address)).await;
    }
    let (before, runs) = (processor_time(), registry.statistics().check_runs);
    let began = Instant::now();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let used = (processor_time() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    let runs = (registry.statistics().check_runs - runs) as f64 / began.elapsed().as_secs_f64();
    println!("{runs:.0} TCP checks/s: {:.1} % of a core", used * 100.0);
}

/// User and system time of this process.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
    // Fields 14 and 15 of the file, in 1/100 s.
    Duration::from_millis(10 * (ticks(12).unwrap_or(0) + ticks(13).unwrap_or(0)))
}
