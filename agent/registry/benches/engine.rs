//! What the engine does on its own, without any protocol in front of it.
//!
//! `cargo bench -p golens-registry`
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use registry::{
    Caller, Options, ProbeOptions, Registry, WatchKey,
    model::{
        Addition, CheckKey, CheckSpec, InstanceKey, Node, Probe, Registration, ServiceKey, Status,
    },
    state,
};
use tokio::task::JoinSet;

const NAMESPACE: &str = "default";
const SERVICES: usize = 100;

fn main() {
    let folder = std::env::temp_dir().join(format!(
        "golens-bench-{}",
        state::random_hex::<8>().expect("random numbers")
    ));
    fs::create_dir(&folder).expect("a folder");
    let file = folder.join("state.redb");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        register(&file, 64, 10_000).await;
        reopen(&file).await;
        let registry = open(&file).await;
        hold_watchers(&registry, 1_000).await;
        heartbeats(&registry, 10_000).await;
        resolve(&registry).await;
        drop(registry);
        fs::remove_file(&file).expect("remove the file");
        register(&file, 512, 100_000).await;
        reopen(&file).await;
        idle(&file).await;
    });
    fs::remove_dir_all(folder).expect("remove the folder");
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
        probes: ProbeOptions::default(),
        snapshot_interval: None,
    };
    let (registry, recovery) = Registry::open(file, options).await.expect("a registry");
    assert!(recovery.is_none());
    registry
}

fn registration(number: usize) -> Registration {
    let id = format!("instance-{number:06}");
    let key = InstanceKey {
        namespace: NAMESPACE.into(),
        node: "node-1".into(),
        id: id.as_str().into(),
    };
    let ttl = Duration::from_secs(30);
    let spec = CheckSpec {
        probe: Probe::Ttl { ttl },
        ..CheckSpec::external(format!("service:{id}"), "alive")
    };
    Registration {
        address: "10.0.0.1".to_owned(),
        port: 8080,
        tags: vec!["v1".to_owned(), "primary".to_owned()],
        meta: BTreeMap::from([
            ("version".to_owned(), "1.2.3".to_owned()),
            ("zone".to_owned(), "a".to_owned()),
        ]),
        checks: vec![Addition {
            status: Some(Status::Passing),
            ..Addition::new(spec)
        }],
        ..Registration::new(key, format!("service-{}", number % SERVICES))
    }
}

fn check(number: usize) -> CheckKey {
    CheckKey {
        namespace: NAMESPACE.into(),
        node: "node-1".into(),
        id: format!("service:instance-{number:06}").into(),
    }
}

async fn register(file: &Path, callers: usize, count: usize) {
    let registry = open(file).await;
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let registry = registry.clone();
        tasks.spawn(async move {
            let me = Caller::internal();
            for number in (caller..count).step_by(callers) {
                let done = registry.register(registration(number), &me).await;
                done.expect("a registration");
            }
        });
    }
    tasks.join_all().await;
    let spent = began.elapsed();
    let state = registry.statistics().state;
    println!(
        "{callers} callers: {:.0} durable registrations/s, {:.1} per commit; {} MiB with {count} instances",
        count as f64 / spent.as_secs_f64(),
        state.changes as f64 / state.commits as f64,
        memory() >> 20,
    );
}

async fn reopen(file: &Path) {
    let began = Instant::now();
    let registry = open(file).await;
    println!(
        "ready after {:.1} ms with {} instances, {} MiB",
        began.elapsed().as_secs_f64() * 1_000.0,
        registry.statistics().instances,
        memory() >> 20,
    );
}

async fn hold_watchers(registry: &Registry, count: u64) {
    let before = memory();
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let registry = registry.clone();
        let service = format!("service-{}", number as usize % SERVICES);
        let key = WatchKey::Service(ServiceKey::new(NAMESPACE, service));
        tasks.spawn(async move {
            let deadline = Instant::now() + Duration::from_secs(600);
            registry.watch(&key, registry.revision(), deadline).await
        });
    }
    while registry.statistics().state.waiting < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!(
        "{count} watchers: {} bytes each, {} MiB in all",
        memory().saturating_sub(before) / count,
        memory() >> 20
    );
}

async fn heartbeats(registry: &Registry, instances: usize) {
    const BEATS: usize = 500_000;
    let keys: Vec<_> = (0..instances).map(check).collect();
    let me = Caller::internal();
    let began = Instant::now();
    for number in 0..BEATS {
        let beat = registry.heartbeat(&keys[number % instances], Status::Passing, "ok", &me);
        beat.await.expect("a heartbeat");
    }
    let spent = began.elapsed();
    println!(
        "{:.0} heartbeats/s on one task",
        BEATS as f64 / spent.as_secs_f64()
    );
}

async fn resolve(registry: &Registry) {
    const ASKED: usize = 2_000_000;
    let names: Vec<_> = (0..SERVICES)
        .map(|number| format!("service-{number}"))
        .collect();
    let began = Instant::now();
    let mut entries = 0;
    for number in 0..ASKED {
        let view = registry.service(NAMESPACE, &names[number % SERVICES]);
        entries += view.expect("a view").entries.len();
    }
    let spent = began.elapsed();
    println!(
        "{:.0} views/s on one task, {} instances each",
        ASKED as f64 / spent.as_secs_f64(),
        entries / ASKED
    );
}

/// Share of one core that the clock takes with 100,000 TTL checks that report every 10 s.
async fn idle(file: &Path) {
    let registry = open(file).await;
    let count = registry.statistics().instances as usize;
    let keys: Vec<_> = (0..count).map(check).collect();
    let me = Caller::internal();
    let watched = Duration::from_secs(10);
    let began = Instant::now();
    let before = cpu_ms();
    // A tenth of a second's worth of heartbeats, a hundred times.
    for slice in keys.chunks(count.div_ceil(100)) {
        for key in slice {
            let beat = registry.heartbeat(key, Status::Passing, "ok", &me);
            beat.await.expect("a heartbeat");
        }
        tokio::time::sleep(Duration::from_millis(90)).await;
    }
    tokio::time::sleep(watched.saturating_sub(began.elapsed())).await;
    let share = (cpu_ms() - before) as f64 / began.elapsed().as_millis() as f64;
    println!(
        "{count} TTL checks that report every 10 s: {:.1} % of a core",
        share * 100.0
    );
}

/// Time on a processor of this process so far; 10 ms is one unit of the kernel's.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("the times");
    let fields: Vec<_> = stat.split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    (ticks(13).unwrap_or(0) + ticks(14).unwrap_or(0)) * 10
}

/// Memory of this process that no file backs, in bytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}
