//! Garbage collection pauses, to the nanosecond.

#[path = "scenario/gc.rs"]
mod gc;

use serde_json::json;
use tests::harness::{Cgroup, RunDir, Settings, Spawn, Target, Toolchain};

#[test]
fn every_pause_is_reported_with_the_installed_go() {
    gc::exact(Toolchain::Installed, false, 3);
}

#[test]
fn every_pause_is_reported_with_go_1_21() {
    gc::exact(Toolchain::Version("go1.21.13"), false, 3);
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
