//! The process that is killed.

use std::{
    collections::BTreeMap,
    fmt::Arguments,
    io::Write,
    path::Path,
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use registry::{
    Caller, Options, ProbeOptions, Registry,
    model::{Addition, CheckSpec, InstanceKey, Node, Probe, Registration, Status},
    state::{self, Tx, kv},
};
use tokio::task::JoinSet;

pub(crate) const NAMESPACE: &str = "default";

const SERVICES: usize = 20;
/// Callers under load, and callers that fill: the more there are, the fewer commits it takes.
const CALLERS: usize = 32;
const FILLERS: usize = 500;

pub(crate) fn options() -> Options {
    Options {
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
    }
}

/// Opens the registry, fills it once, and then registers until it is killed.
pub(crate) fn run(file: &Path) {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (registry, recovery) = Registry::open(file, options()).await.unwrap();
        assert!(recovery.is_none(), "{recovery:?}");
        let instances = registry.statistics().instances;
        let revision = registry.revision();
        let ms = began.elapsed().as_millis();
        say(format_args!("ready {revision} {instances} {ms}\n"));
        // Before any change: what a client asks first after a restart.
        for service in 0..SERVICES {
            say_index(&registry, &format!("service-{service}"));
        }
        let missing = super::POPULATION.saturating_sub(instances as usize);
        let from = instances as usize;
        load(&registry, FILLERS, from, Some(missing)).await;
        load(&registry, CALLERS, from + missing, None).await;
    });
}

/// Registers instances from that number on: so many, or for ever.
async fn load(registry: &Registry, callers: usize, from: usize, count: Option<usize>) {
    let process = process::id();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let registry = registry.clone();
        let mut numbers = (from + caller..).step_by(callers);
        tasks.spawn(async move {
            while let Some(number) = numbers.next()
                && count.is_none_or(|count| number < from + count)
            {
                let id = format!("{process}-{number}");
                let service = format!("service-{}", number % SERVICES);
                register(&registry, &service, &id).await;
                if number % 7 == 0 {
                    put(&registry, format!("key-{id}")).await;
                }
                if number % 5 == 0 {
                    say_index(&registry, &service);
                }
            }
        });
    }
    tasks.join_all().await;
}

async fn register(registry: &Registry, service: &str, id: &str) {
    let key = InstanceKey {
        namespace: NAMESPACE.into(),
        node: "node-1".into(),
        id: id.into(),
    };
    let spec = CheckSpec {
        probe: Probe::Ttl {
            ttl: Duration::from_secs(30),
        },
        ..CheckSpec::external(format!("service:{id}"), "alive")
    };
    let registration = Registration {
        port: 8080,
        tags: vec!["v1".to_owned(), "primary".to_owned()],
        meta: BTreeMap::from([("version".to_owned(), "1.2.3".to_owned())]),
        checks: vec![Addition {
            status: Some(Status::Passing),
            ..Addition::new(spec)
        }],
        ..Registration::new(key, service)
    };
    let done = registry.register(registration, &Caller::internal()).await;
    let revision = done.unwrap().revision;
    say(format_args!("registered {id} {revision}\n"));
}

async fn put(registry: &Registry, key: String) {
    let key = Arc::new(key);
    let name = Arc::clone(&key);
    let change = move |tx: &mut Tx<'_>| kv::put(tx, NAMESPACE, &name, b"value", 0);
    let done = registry.store().write::<_, kv::KvError>(change).await;
    done.unwrap();
    say(format_args!("key {key}\n"));
}

/// Asks and says under one lock: lines come in the order of the answers.
fn say_index(registry: &Registry, service: &str) {
    let mut out = std::io::stdout().lock();
    let index = registry.service(NAMESPACE, service).unwrap().index;
    let line = format!("index {service} {index}\n");
    out.write_all(line.as_bytes()).unwrap();
    out.flush().unwrap();
}

fn say(line: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.to_string().as_bytes()).unwrap();
    out.flush().unwrap();
}
