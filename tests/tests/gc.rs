//! Garbage collection: pauses and stops to the nanosecond, lines of gctrace, overlap with requests.

#[path = "scenario/gc.rs"]
mod gc;
#[path = "scenario/gc_spans.rs"]
mod spans;
#[path = "scenario/gc_trace.rs"]
mod trace;

use serde_json::json;
use tests::harness::{Cgroup, RunDir, Settings, Spawn, Target, Toolchain};

#[test]
fn every_pause_is_reported_with_the_installed_go() {
    let compared = gc::exact(Target::new("gcload"), 3);
    assert!(compared.cycles >= 300, "{compared:?}");
    assert!(compared.stops >= 2 * compared.cycles, "{compared:?}");
    assert_eq!(compared.stopping, compared.stops);
    assert!(compared.others > Some(0), "{compared:?}");
}

#[test]
fn every_pause_is_reported_with_go_1_21() {
    let old = Toolchain::Version("go1.21.13");
    gc::exact(Target::new("gcload").with(old), 3);
}

/// A program collects faster than its record of 256 pauses is read at the usual interval.
#[test]
fn a_collector_that_outruns_the_interval_loses_no_pause() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(Target::new("gcload").build())
        .service("collector")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup)
        .set("runtime.interval", json!("5s"))
        .start(&run);
    let _row = golens.await_attached(program.pid(), &["gc"]);
    let labels = [("service_name", "collector")];
    let before = gc::settled(&golens, &program).1.num_gc;
    let reported_before = golens.metrics().count(gc::PAUSES, &labels);
    assert_eq!(program.get("/churn?cycles=800&gap=1").status, 200);
    let (row, known) = gc::settled(&golens, &program);
    assert_eq!(row.gc_pauses_lost, 0);
    let reported = golens.metrics().count(gc::PAUSES, &labels) - reported_before;
    assert_eq!(reported, known.num_gc - before);
    golens.stop();
    program.stop();
}

#[test]
fn a_trace_is_what_the_runtime_prints_with_the_installed_go() {
    trace::equal(Toolchain::Installed, false);
}

#[test]
fn a_trace_is_what_the_runtime_prints_with_go_1_21_without_symbols() {
    trace::equal(Toolchain::Version("go1.21.13"), true);
}

#[test]
fn a_request_tells_the_pauses_it_met_with_the_installed_go() {
    spans::whole_pauses(Toolchain::Installed);
}

#[test]
fn a_request_tells_the_pauses_it_met_with_go_1_21() {
    spans::whole_pauses(Toolchain::Version("go1.21.13"));
}

#[test]
fn a_request_tells_the_part_of_a_pause_that_it_met() {
    spans::parts_of_pauses(Toolchain::Installed);
}

#[test]
fn without_bounds_a_request_tells_the_number_of_cycles() {
    spans::cycles_without_bounds(Toolchain::Installed);
}
