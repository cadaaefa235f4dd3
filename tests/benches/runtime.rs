//! What reading a Go runtime costs the program that is read, and the one that reads.
//!
//! Prints one JSON object per case. `cargo xtask bench runtime` files them.
#![expect(
    clippy::print_stdout,
    reason = "a benchmark talks to whoever started it"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use golens::{
    config::Scope,
    discovery::{Opener, Procfs, Scanner, ScopeRules, Verdict},
    identity::Resource,
    runtime::{RUNTIME_STRUCTS, Reader, RuntimeFacts, memory_calls},
    telemetry::Telemetry,
};
use serde_json::json;
use symbols::GoBinary;
use tests::harness::{Dialogue, Target};

/// Between two readings of the busy program: the shortest that can be set.
const INTERVAL: Duration = Duration::from_millis(100);
/// One measured stretch of work, in ms.
const STRETCH_MS: u64 = 1_000;
/// Programs read once a second.
const TARGETS: usize = 100;
/// Seconds for which they are read.
const SECONDS: u64 = 10;

fn main() {
    let mut arguments = std::env::args();
    let runs = arguments
        .by_ref()
        .skip_while(|word| word != "--runs")
        .nth(1);
    let runs: usize = runs.and_then(|number| number.parse().ok()).unwrap_or(15);
    println!("{}", throughput(runs));
    println!("{}", processor_time());
}

/// Work of a busy program with and without a reader, in turns.
fn throughput(runs: usize) -> serde_json::Value {
    let mut program = Dialogue::start(&Target::new("runtime/busy").build(), &[]);
    let mut reader = reader(program.pid());
    let mut work = |is_read: bool| -> u64 {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            if is_read {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        reader.read().expect("readable");
                        thread::sleep(INTERVAL);
                    }
                });
            }
            let done = program.ask(&STRETCH_MS.to_string());
            stop.store(true, Ordering::Relaxed);
            done.parse().expect("a number")
        })
    };
    work(false);
    let mut ratios: Vec<f64> = (0..runs)
        .map(|run| {
            // Whichever comes second finds a warmer or a slower machine: they change places.
            let first = work(run % 2 == 0) as f64;
            let second = work(run % 2 != 0) as f64;
            if run % 2 == 0 {
                first / second
            } else {
                second / first
            }
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    json!({
        "case": "throughput of a busy program, read every 100 ms, to the same one unread",
        "runs": runs,
        "median": ratios[runs / 2],
        "least": ratios[0],
        "most": ratios[runs - 1],
        "goal": 0.995,
        "met": ratios[runs / 2] >= 0.995,
    })
}

/// Processor time of reading and keeping 100 targets once a second, as a share of one processor.
fn processor_time() -> serde_json::Value {
    let binary = Target::new("runtime/values").build();
    let programs: Vec<Dialogue> = (0..TARGETS)
        .map(|_| Dialogue::start(&binary, &[]))
        .collect();
    let telemetry = Telemetry::new();
    let mut targets: Vec<(Reader, Arc<Resource>)> = programs
        .iter()
        .map(|program| (reader(program.pid()), resource(program.pid())))
        .collect();
    let mut round = || {
        for (reader, resource) in &mut targets {
            let reading = reader.read().expect("readable");
            telemetry.update_runtime(resource, reading);
        }
    };
    round();
    let (begun, calls) = (Instant::now(), memory_calls());
    let mut used = Duration::ZERO;
    for second in 1..=SECONDS {
        let before = thread_time();
        round();
        used += thread_time() - before;
        let next = begun + Duration::from_secs(second);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let share = used.as_secs_f64() / begun.elapsed().as_secs_f64();
    json!({
        "case": "processor time of reading 100 programs once a second, share of one processor",
        "runs": SECONDS,
        "median": share,
        "calls_per_reading": (memory_calls() - calls) as f64 / (TARGETS as u64 * SECONDS) as f64,
        "microseconds_per_reading": used.as_secs_f64() * 1e6 / (TARGETS as u64 * SECONDS) as f64,
        "goal": 0.002,
        "met": share <= 0.002,
    })
}

fn reader(pid: u32) -> Reader {
    let scope = Scope {
        pids: vec![pid],
        ..Scope::default()
    };
    let scanner = Scanner::new(Procfs::default(), ScopeRules::new(&scope));
    let Verdict::Candidate(candidate) = scanner.examine(pid) else {
        panic!("{pid} is not in scope");
    };
    let process = Opener::new(Procfs::default())
        .open(&candidate)
        .unwrap_or_else(|reason| panic!("refused: {reason}"));
    let bytes = std::fs::read(&process.executable).expect("readable");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let layouts = binary.layouts(&RUNTIME_STRUCTS);
    let facts = RuntimeFacts::from_symbols(&binary, &layouts).expect("known");
    Reader::new(Arc::new(process), &facts).expect("mapped")
}

fn resource(pid: u32) -> Arc<Resource> {
    Arc::new(Resource {
        service_name: "values".to_owned(),
        service_namespace: None,
        service_version: None,
        service_instance_id: format!("node-{pid}"),
        host_name: "node".to_owned(),
        pid,
        executable_name: "values".to_owned(),
        runtime_version: "go".to_owned(),
        container_id: None,
        extra: Vec::new(),
    })
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to the struct that it is given, which lives until the call has ended.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(done, 0);
    let whole = u64::try_from(time.tv_sec).expect("not negative");
    Duration::new(whole, u32::try_from(time.tv_nsec).expect("below a second"))
}
