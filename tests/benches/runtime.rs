//! What reading a Go runtime costs the program that is read, and the one that reads.
//!
//! Prints one JSON object per case. `cargo xtask bench runtime` files them.
#![expect(
    clippy::print_stdout,
    reason = "a benchmark talks to whoever started it"
)]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use golens::{
    clock::thread_cpu_time,
    config::Scope,
    discovery::{Opener, Procfs, Scanner, ScopeRules, Verdict},
    identity::Resource,
    runtime::{RUNTIME_STRUCTS, Reader, RuntimeFacts, memory_calls},
    telemetry::Telemetry,
};
use serde_json::{Value, json};
use symbols::GoBinary;
use tests::harness::{Dialogue, RunDir, Settings, Target};

/// Between two readings of the busy program: the shortest that can be set.
const INTERVAL: Duration = Duration::from_millis(100);
/// One measured stretch of work, in ms.
const STRETCH_MS: u64 = 200;
/// Programs read once a second.
const TARGETS: usize = 100;
/// Seconds for which they are read.
const SECONDS: u64 = 10;
/// Seconds for which a whole agent is looked at.
const AGENT_SECONDS: u64 = 20;
/// Share of one processor that reading them may take.
const GOAL: f64 = 0.002;

fn main() {
    let mut arguments = std::env::args();
    let pairs = arguments
        .by_ref()
        .skip_while(|word| word != "--pairs")
        .nth(1);
    let pairs: usize = pairs.and_then(|number| number.parse().ok()).unwrap_or(100);
    println!("{}", throughput(pairs));
    let binary = Target::new("runtime/values").build();
    let mut programs: Vec<Dialogue> = (0..TARGETS)
        .map(|_| Dialogue::start(&binary, &[]))
        .collect();
    println!("{}", processor_time(&mut programs, false));
    println!("{}", processor_time(&mut programs, true));
    if std::env::var_os("GOLENS_BIN").is_some() {
        println!("{}", whole_agent(&programs));
    }
}

/// Work of a busy program by the processor time that it takes, with and without a reader, in turns. The program
/// has one processor for itself, and the reader another.
fn throughput(pairs: usize) -> Value {
    let binary = Target::new("runtime/busy").build();
    pin(1);
    let mut program = Dialogue::start(&binary, &[]);
    pin(0);
    let pid = program.pid();
    let mut reader = reader(pid, &facts(&binary));
    let mut work = |is_read: bool| -> f64 {
        let stop = AtomicBool::new(false);
        let before = process_cpu_time(pid);
        thread::scope(|scope| {
            if is_read {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        reader.read().expect("readable");
                        thread::sleep(INTERVAL);
                    }
                });
            }
            let done: f64 = program
                .ask(&STRETCH_MS.to_string())
                .parse()
                .expect("a number");
            let used = process_cpu_time(pid).saturating_sub(before);
            stop.store(true, Ordering::Relaxed);
            done / used.as_secs_f64()
        })
    };
    work(false);
    let mut ratios: Vec<f64> = (0..pairs)
        .map(|pair| {
            // Whichever comes second finds a warmer or a slower machine: they change places.
            let first = work(pair % 2 == 0);
            let second = work(pair % 2 != 0);
            if pair % 2 == 0 {
                first / second
            } else {
                second / first
            }
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    // The median lies between these two of the ordered ratios with a probability of 95 %.
    let aside = (0.98 * (pairs as f64).sqrt()).ceil() as usize;
    let low = ratios[(pairs / 2).saturating_sub(aside)];
    let high = ratios[(pairs / 2 + aside).min(pairs - 1)];
    json!({
        "case": "work per processor second of a busy program, read every 100 ms, to the same one unread",
        "runs": pairs,
        "median": ratios[pairs / 2],
        "low": low,
        "high": high,
        "goal": 0.995,
        "met": low >= 0.995,
    })
}

/// Processor time of reading and keeping 100 targets once a second, as a share of one processor. Each second
/// targets that work allocate, start goroutines and collect.
fn processor_time(programs: &mut [Dialogue], they_work: bool) -> Value {
    let facts = facts(&Target::new("runtime/values").build());
    let telemetry = Telemetry::new();
    let mut targets: Vec<(Reader, Arc<Resource>)> = programs
        .iter()
        .map(|program| (reader(program.pid(), &facts), resource(program.pid())))
        .collect();
    let mut round = || {
        for (reader, resource) in &mut targets {
            let reading = reader.read().expect("readable");
            telemetry.update_runtime(resource, reading);
        }
    };
    round();
    let (begun, calls) = (Instant::now(), memory_calls());
    let mut rounds = Vec::new();
    for second in 1..=SECONDS {
        if they_work {
            for program in &mut *programs {
                assert_eq!(program.ask("work 1"), "done");
            }
        }
        let before = thread_cpu_time();
        round();
        rounds.push((thread_cpu_time() - before).as_secs_f64());
        let next = begun + Duration::from_secs(second);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    rounds.sort_by(f64::total_cmp);
    let readings = TARGETS as f64 * SECONDS as f64;
    let calls = (memory_calls() - calls) as f64 / readings;
    let us = rounds.iter().sum::<f64>() * 1e6 / readings;
    let what = if they_work { "that work" } else { "at rest" };
    let median = rounds[rounds.len() / 2];
    json!({
        "case": format!("processor time of a thread that reads 100 programs {what} once a second and keeps the readings"),
        "runs": SECONDS,
        "median": median,
        "low": rounds[0],
        "high": rounds[rounds.len() - 1],
        "goal": GOAL,
        "met": median <= GOAL,
        "detail": format!("one reading: {calls:.3} system calls for memory, {us:.1} us"),
    })
}

/// Processor time of a whole agent that reads them once a second, beside one that hardly ever does.
fn whole_agent(programs: &[Dialogue]) -> Value {
    let [(reading, memory), (idle, _)] = ["1s", "1h"].map(|interval| agent(programs, interval));
    let share = reading - idle;
    json!({
        "case": "processor time of a whole agent that reads 100 programs at rest once a second, less that of one that reads once an hour",
        "runs": AGENT_SECONDS,
        "median": share,
        "goal": GOAL,
        "met": share <= GOAL,
        "detail": format!("{reading:.4} less {idle:.4}; anonymous memory of the agent {memory} KiB"),
    })
}

/// Share of one processor that an agent takes, and its anonymous memory in KiB.
fn agent(programs: &[Dialogue], interval: &str) -> (f64, u64) {
    let run = RunDir::new();
    let pids: Vec<u32> = programs.iter().map(Dialogue::pid).collect();
    let golens = Settings::open()
        .set("scope.pids", json!(pids))
        .set("runtime.interval", json!(interval))
        .set("runtime.goroutines.enabled", json!(false))
        .without_statistics()
        .start(&run);
    for pid in pids {
        assert_eq!(golens.await_attached(pid, &[]).pid, pid);
    }
    thread::sleep(Duration::from_secs(2));
    let (begun, before) = (Instant::now(), process_cpu_time(golens.pid()));
    thread::sleep(Duration::from_secs(AGENT_SECONDS));
    let used = process_cpu_time(golens.pid()).saturating_sub(before);
    let share = used.as_secs_f64() / begun.elapsed().as_secs_f64();
    let status = fs::read_to_string(format!("/proc/{}/status", golens.pid())).expect("alive");
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next())
        .and_then(|number| number.parse().ok());
    golens.stop();
    (share, memory.expect("a number"))
}

fn facts(binary: &Path) -> RuntimeFacts {
    let bytes = fs::read(binary).expect("readable");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let layouts = binary.layouts(&RUNTIME_STRUCTS);
    RuntimeFacts::from_symbols(&binary, &layouts).expect("known")
}

fn reader(pid: u32, facts: &RuntimeFacts) -> Reader {
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
    Reader::new(Arc::new(process), facts).expect("mapped")
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

/// Has this thread, and the programs it starts, run on one processor only.
fn pin(processor: usize) {
    // SAFETY: a set of processors is plain bits, for which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: sets one bit of the set, which is larger than the number.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: reads a set of the size that it is given.
    let done = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(done, 0, "two processors are needed");
}

/// Processor time of a process, with all of its threads.
fn process_cpu_time(pid: u32) -> Duration {
    let mut clock = 0;
    // SAFETY: writes the number of a clock to the place that it is given.
    let found = unsafe { libc::clock_getcpuclockid(pid.cast_signed(), &raw mut clock) };
    assert_eq!(found, 0, "{pid} has a clock");
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to the struct that it is given, which lives until the call has ended.
    let done = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(done, 0, "{pid} is alive");
    let whole = u64::try_from(time.tv_sec).expect("not negative");
    Duration::new(whole, u32::try_from(time.tv_nsec).expect("below a second"))
}
