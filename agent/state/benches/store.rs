//! What durable changes cost: alone, in groups, at the start, in memory.
//!
//! `cargo bench -p golens-state`; figures depend on the disk, whose fsync is all that a lone change waits for.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use state::{Options, Store, Table, Topic, Tx, Wake, WriteError};
use tokio::task::JoinSet;

const TABLE: Table = Table::foreign(0);
const PAYLOAD: [u8; 300] = [7; 300];

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
    runtime.block_on(async {
        for (callers, changes) in [(1, 2_000), (16, 20_000), (64, 60_000), (512, 100_000)] {
            throughput(&folder, callers, changes).await;
        }
        wake(&folder, 1_000).await;
        wake(&folder, 20_000).await;
        reopen(&folder, 10_000).await;
        reopen(&folder, 100_000).await;
    });
    fs::remove_dir_all(folder).expect("remove the folder");
}

fn open(file: &Path) -> Store {
    Store::open(file, &Options::default())
        .expect("a store")
        .store
}

async fn put(store: &Store, number: u64) {
    let key = format!("default/node-1/instance-{number:012}");
    let change = move |tx: &mut Tx<'_>| {
        tx.put(TABLE, key.as_bytes(), &PAYLOAD);
        Ok::<_, WriteError>(())
    };
    store.write(change).await.expect("a commit");
}

/// Changes per second of so many callers that each wait for the last one.
async fn throughput(folder: &Path, callers: u64, changes: u64) {
    let file = folder.join("throughput.redb");
    let store = Arc::new(open(&file));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut waits = Vec::new();
            for number in (caller..changes).step_by(callers as usize) {
                let asked = Instant::now();
                put(&store, number).await;
                waits.push(asked.elapsed());
            }
            waits
        });
    }
    let mut waits = tasks.join_all().await.concat();
    let spent = began.elapsed();
    waits.sort();
    let statistics = store.statistics();
    println!(
        "{callers:>4} callers: {:>7.0} durable changes/s, {:>5.1} per commit, p50 {}, p99 {}, commit {}",
        changes as f64 / spent.as_secs_f64(),
        statistics.changes as f64 / statistics.commits as f64,
        ms(waits[waits.len() / 2]),
        ms(waits[waits.len() * 99 / 100]),
        ms(Duration::from_nanos(
            statistics.commit_ns / statistics.commits
        )),
    );
    drop(store);
    fs::remove_file(file).expect("remove the file");
}

/// Time from a change until each of so many waiters runs.
async fn wake(folder: &Path, waiters: u64) {
    let file = folder.join("wake.redb");
    let store = Arc::new(open(&file));
    let topic = Topic::row(TABLE, b"default/node-1/instance-000000000001");
    let before = memory();
    let mut tasks = JoinSet::new();
    for _ in 0..waiters {
        let (store, topic) = (Arc::clone(&store), topic.clone());
        tasks.spawn(async move {
            let deadline = Instant::now() + Duration::from_secs(60);
            let seen = store.revision();
            let woken = store.wait(&topic, seen, deadline).await.expect("a wait");
            assert!(matches!(woken, Wake::Changed(_)));
            Instant::now()
        });
    }
    while store.statistics().waiting < waiters {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let held = memory().saturating_sub(before);
    put(&store, 1).await;
    let acknowledged = Instant::now();
    let mut delays: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .map(|at| at.saturating_duration_since(acknowledged))
        .collect();
    delays.sort();
    println!(
        "{waiters:>6} waiters: woken p50 {}, p99 {}, last {}; {} bytes each with their tasks",
        ms(delays[delays.len() / 2]),
        ms(delays[delays.len() * 99 / 100]),
        ms(delays[delays.len() - 1]),
        held / waiters,
    );
    drop(store);
    fs::remove_file(file).expect("remove the file");
}

/// Time to open a file with so many rows: closed well, and as a kill leaves it.
async fn reopen(folder: &Path, rows: u64) {
    let file = folder.join("reopen.redb");
    let killed = folder.join("killed.redb");
    let store = open(&file);
    for from in (0..rows).step_by(1_000) {
        let change = move |tx: &mut Tx<'_>| {
            for number in from..from + 1_000 {
                let key = format!("default/node-1/instance-{number:012}");
                tx.put(TABLE, key.as_bytes(), &PAYLOAD);
            }
            Ok::<_, WriteError>(())
        };
        store.write(change).await.expect("a commit");
    }
    fs::copy(&file, &killed).expect("a copy");
    drop(store);
    for (path, how) in [(&file, "closed"), (&killed, "killed")] {
        let began = Instant::now();
        let store = open(path);
        let spent = began.elapsed();
        println!(
            "{rows:>6} rows, {how}: open and verified in {}, file {} MiB, {} MiB of memory",
            ms(spent),
            size(path) >> 20,
            memory() >> 20,
        );
        drop(store);
        fs::remove_file(path).expect("remove the file");
    }
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}

fn size(path: &PathBuf) -> u64 {
    fs::metadata(path).expect("the file").len()
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
