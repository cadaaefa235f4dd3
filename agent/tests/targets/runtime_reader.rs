//! The memory reader against what a Go program says of itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::support::{Target, build};
use golens::runtime::{
    Figure, RUNTIME_STRUCTS, Reader, RingCycle, RuntimeFacts, RuntimeReading, memory_calls,
};
use serde_json::Value;
use symbols::GoBinary;

fn reader(target: &Target) -> Reader {
    let process = Arc::new(target.open());
    let bytes = std::fs::read(&process.executable).expect("readable");
    let binary = GoBinary::parse(&bytes).expect("Go");
    let layouts = binary.layouts(&RUNTIME_STRUCTS);
    let facts = RuntimeFacts::from_symbols(&binary, &layouts).expect("has symbols");
    assert_eq!(facts.unresolved, []);
    Reader::new(process, &facts).expect("mapped")
}

/// Reads until the goroutine count is the target's, and collects the pauses told on the way.
fn settled(reader: &mut Reader, truth: &Value) -> (RuntimeReading, Vec<u64>) {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut told = Vec::new();
    loop {
        let reading = reader.read().expect("readable");
        told.extend(pauses(&reading.new_gc_cycles));
        if reading.get(Figure::Goroutines) == truth["Goroutines"].as_u64()
            || Instant::now() > deadline
        {
            return (reading, told);
        }
        std::thread::yield_now();
    }
}

fn pauses(cycles: &[RingCycle]) -> Vec<u64> {
    cycles.iter().map(|cycle| cycle.pause_ns).collect()
}

fn cycles(truth: &Value) -> u64 {
    truth["NumGC"].as_u64().expect("a number")
}

fn total(truth: &Value) -> u64 {
    truth["PauseTotalNs"].as_u64().expect("a number")
}

fn numbers(value: &Value) -> Vec<u64> {
    let list = value.as_array().expect("a list").iter();
    list.map(|number| number.as_u64().expect("a number"))
        .collect()
}

fn assert_equal(reading: &RuntimeReading, truth: &Value) {
    assert!(reading.complete);
    assert_eq!(Some(reading.gc_cycles), truth["NumGC"].as_u64());
    assert_eq!(
        Some(reading.gc_pause_total_ns),
        truth["PauseTotalNs"].as_u64()
    );
    assert_eq!(
        reading.get(Figure::Goroutines),
        truth["Goroutines"].as_u64()
    );
    assert_eq!(reading.get(Figure::MaxProcs), truth["Procs"].as_u64());
    assert_eq!(reading.get(Figure::HeapGoal), truth["Goal"].as_u64());
    assert_eq!(reading.get(Figure::HeapLive), truth["Live"].as_u64());
}

fn follow(flags: &[&str], name: &str) {
    let mut target = Target::start(build("runtimeload", name, flags), &[]);
    target.ask("hold 37");
    let truth = target.ask("gc 3");
    let mut reader = reader(&target);
    let (reading, told) = settled(&mut reader, &truth);
    assert_equal(&reading, &truth);
    assert_eq!(told, [0; 0], "the first reading is a baseline");
    assert_eq!(pauses(&reader.history()), numbers(&truth["PauseNs"]));

    let truth = target.ask("gc 40");
    let (reading, told) = settled(&mut reader, &truth);
    assert_equal(&reading, &truth);
    let all = numbers(&truth["PauseNs"]);
    assert_eq!(told, all[3..], "to the nanosecond");
    assert_eq!(pauses(&reader.history()), all);

    let truth = target.ask("gc 300");
    let reading = reader.read().expect("readable");
    assert_eq!(pauses(&reading.new_gc_cycles), numbers(&truth["PauseNs"]));
    assert_eq!(reading.gc_pauses_lost, 300 - 256);

    let truth = target.ask(&format!("limit {}", 64 << 20));
    let reading = reader.read().expect("readable");
    assert_eq!(reading.get(Figure::HeapGoal), truth["Goal"].as_u64());
}

#[test]
fn figures_equal_those_of_the_target() {
    follow(&[], "plain");
}

#[test]
fn figures_equal_those_of_a_target_that_is_loaded_anywhere() {
    follow(&["-buildmode=pie"], "pie");
}

/// Variables and layouts come from the runtime's own code and from reference tables then.
#[test]
fn figures_equal_those_of_a_target_without_symbols() {
    follow(&["-ldflags=-s -w"], "stripped");
}

/// Reads without pause while the target collects: no cycle may be missed, doubled or torn.
#[test]
fn every_cycle_comes_once_while_the_target_works() {
    let mut target = Target::start(build("runtimeload", "busy", &[]), &[]);
    let before = target.ask("gc 1");
    let mut reader = reader(&target);
    reader.read().expect("readable");
    target.send("gc 200");
    target.send("churn 20000");
    let mut told = Vec::new();
    let mut readings = 0;
    let answered = std::thread::scope(|scope| {
        let answers = scope.spawn(|| {
            target.answer();
            target.answer()
        });
        while !answers.is_finished() {
            let reading = reader.read().expect("readable");
            assert_eq!(reading.gc_pauses_lost, 0);
            assert!(
                reading
                    .get(Figure::Goroutines)
                    .is_none_or(|count| count < 1_000),
                "{reading:?}"
            );
            told.extend(pauses(&reading.new_gc_cycles));
            readings += 1;
        }
        answers.join().expect("answered")
    });
    assert!(cycles(&answered) > cycles(&before));
    // A cycle that allocation began may still run; a forced one waits for it, and then all rests.
    let last = target.ask("gc 1");
    told.extend(pauses(&reader.read().expect("readable").new_gc_cycles));
    assert_eq!(
        told.len() as u64,
        cycles(&last) - cycles(&before),
        "{readings} readings"
    );
    assert_eq!(told.iter().sum::<u64>(), total(&last) - total(&before));
    let all = numbers(&last["PauseNs"]);
    let common = all.len().min(told.len());
    assert_eq!(told[told.len() - common..], all[all.len() - common..]);
}

/// A stopped process answers nothing, and is read like any other: in one system call.
#[test]
fn a_stopped_process_is_read_in_one_call() {
    let mut target = Target::start(build("runtimeload", "stopped", &[]), &[]);
    let truth = target.ask("hold 12");
    let mut reader = reader(&target);
    settled(&mut reader, &truth);
    let signal = |number| {
        let pid = libc::pid_t::try_from(target.pid()).expect("a pid");
        // SAFETY: `kill` with a process of this test's own, which is not waited for yet, reaches nothing else.
        assert_eq!(unsafe { libc::kill(pid, number) }, 0);
    };
    signal(libc::SIGSTOP);
    reader
        .read()
        .expect("threads that came since are looked up");
    let calls = memory_calls();
    let reading = reader.read().expect("readable");
    assert_eq!(memory_calls() - calls, 1);
    signal(libc::SIGCONT);
    assert!(reading.complete);
    assert_eq!(
        reading.get(Figure::Goroutines),
        truth["Goroutines"].as_u64()
    );
}

#[test]
fn a_process_that_ended_is_not_read() {
    let mut target = Target::start(build("runtimeload", "ended", &[]), &[]);
    target.ask("stats");
    let mut reader = reader(&target);
    target.end();
    assert_eq!(
        reader.read().expect_err("it has ended").error_type(),
        "exited"
    );
}
