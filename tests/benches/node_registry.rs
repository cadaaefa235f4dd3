//! How soon the node's registry knows that a program has ended.
//!
//! Prints one JSON object per case. `cargo xtask bench registry` files them.
#![expect(
    clippy::print_stdout,
    reason = "a benchmark talks to whoever started it"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::harness::{Cgroup, Golens, Program, RunDir, Settings, Spawn, Target, get, wait_until};

/// Programs of one service, which end one after the other.
const PROGRAMS: usize = 50;
/// A discovered instance is to be gone within this time.
const GOAL_MS: f64 = 1_000.0;
/// Longest wait of one question.
const WAIT: &str = "10s";

fn main() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let binary = Target::new("listens").build();
    let start = |_| {
        Spawn::new(&binary)
            .service("shop")
            .in_cgroup(&cgroup)
            .start(&run)
    };
    let programs: Vec<Program> = (0..PROGRAMS).map(start).collect();
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .start(&run);
    wait_until("all instances", Duration::from_secs(60), || {
        golens.instances().len() == PROGRAMS
    });
    let mut times: Vec<f64> = programs
        .into_iter()
        .map(|program| time_to_leave(&golens, program))
        .collect();
    golens.stop();
    times.sort_by(f64::total_cmp);
    let case = "a discovered instance is gone after its process, seen by a long poll";
    let median = row(&format!("{case}, median"), times[PROGRAMS / 2]);
    let mut slowest = row(
        &format!("{case}, slowest of {PROGRAMS}"),
        times[PROGRAMS - 1],
    );
    slowest["goal"] = json!(format!("< {GOAL_MS} ms"));
    slowest["met"] = json!(times[PROGRAMS - 1] < GOAL_MS);
    println!("{median}\n{slowest}");
}

fn row(case: &str, ms: f64) -> Value {
    json!({"case": case, "server": "golens run", "value": ms, "unit": "ms"})
}

/// Kills a program, and follows its service until the instance is not in an answer any more. Returns ms.
fn time_to_leave(golens: &Golens, program: Program) -> f64 {
    let address = golens.registry_at("http");
    let (_, port) = program.address().rsplit_once(':').expect("a port");
    let port: u64 = port.parse().expect("a number");
    let (mut index, is_there) = look(&address, 0, port);
    assert!(is_there, "the instance is there before its process ends");
    let killed = Instant::now();
    program.kill();
    loop {
        let is_there;
        (index, is_there) = look(&address, index, port);
        if !is_there {
            return killed.elapsed().as_secs_f64() * 1e3;
        }
    }
}

/// Waits for what comes after an index. Returns the next one, and whether the service has an instance at `port`.
fn look(address: &str, index: u64, port: u64) -> (u64, bool) {
    let path = format!("/v1/health/service/shop?index={index}&wait={WAIT}");
    let answer = get(address, &path).expect("answered");
    let entries: Vec<Value> = answer.json();
    let index = answer.headers["x-consul-index"].parse();
    let mut ports = entries.iter().map(|entry| &entry["Service"]["Port"]);
    (index.expect("a number"), ports.any(|known| *known == port))
}
