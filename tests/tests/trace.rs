//! `golens trace` of goroutines and of the scheduler, against what the program itself measures.

#[path = "scenario/spawn.rs"]
#[expect(dead_code, reason = "windows use the other half")]
mod spawn;

use tests::harness::{Cgroup, RunDir, Spawn, Toolchain, Trace};

const OLD: Toolchain = Toolchain::Version("go1.21.13");

#[test]
fn a_trace_knows_the_goroutines_of_each_place() {
    spawn::traced(spawn::PROGRAM.stripped(true), true);
}

#[test]
fn a_trace_knows_the_goroutines_of_each_place_with_go_1_21() {
    spawn::traced(spawn::PROGRAM.with(OLD), false);
}

#[test]
fn a_trace_knows_how_long_a_woken_goroutine_waits() {
    spawn::waits(spawn::PROGRAM);
}

#[test]
fn a_trace_knows_how_long_a_woken_goroutine_waits_with_go_1_21() {
    spawn::waits(spawn::PROGRAM.with(OLD).stripped(true));
}

#[test]
fn a_trace_ends_when_its_hits_are_used_up() {
    spawn::over_budget("goroutines");
    spawn::over_budget("sched");
}

#[test]
fn a_trace_ends_with_its_process() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(spawn::PROGRAM.build())
        .in_cgroup(&cgroup)
        .start(&run);
    let trace = Trace::start("goroutines", &program, &["--interval", "100ms"], &run);
    program.kill();
    let traced: spawn::Traced = trace.end();
    assert_eq!(traced.end, "process_ended");
}
