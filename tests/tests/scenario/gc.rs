//! Every garbage collection is reported with the pause the program itself knows.

use std::time::Duration;

use serde_json::json;
use tests::harness::{
    Cgroup, Golens, MemoryStats, Program, RunDir, RuntimeRow, Settings, Spawn, Target, Toolchain,
    wait_for,
};

/// Series of the histogram of pauses by cycle.
pub(super) const PAUSES: &str = "golens_go_gc_cycle_pause_duration_seconds_count";

/// Runs batches of collections and compares every pause of each with the program's record, to the ns.
/// More than 256 cycles in total go around the runtime's ring.
pub(super) fn exact(toolchain: Toolchain, stripped: bool, batches: usize) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let target = Target::new("gcload").with(toolchain).stripped(stripped);
    let program = Spawn::new(target.build())
        .service("collector")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup)
        .set("runtime.interval", json!("200ms"))
        .start(&run);
    let _row = golens.await_attached(program.pid(), &["gc"]);

    // The program collects only when asked, so its record stands still between the batches.
    let (first, mut known) = settled(&golens, &program);
    let labels = [("service_name", "collector")];
    let reported_before = golens.metrics().count(PAUSES, &labels);
    let cycles_before = first.gc_cycles;
    for _ in 0..batches {
        let begun = known.num_gc;
        assert_eq!(program.get("/churn?cycles=100&gap=3").status, 200);
        let row;
        (row, known) = settled(&golens, &program);
        let cycles = usize::try_from(known.num_gc - begun).expect("a small number");
        assert!((100..256).contains(&cycles), "{cycles} cycles in one batch");

        assert_eq!(row.gc_pauses_lost, 0);
        let total_ns = (row.gc_pause_total_seconds * 1e9).round();
        assert_eq!(total_ns, known.pause_total_ns as f64);
        let reported = &row.last_pauses_ns;
        assert!(
            reported.len() >= cycles,
            "{} pauses of {cycles}",
            reported.len()
        );
        assert_eq!(
            reported[reported.len() - cycles..],
            known.last_pauses(cycles)
        );
    }
    let reported = golens.metrics().count(PAUSES, &labels) - reported_before;
    assert_eq!(reported, known.num_gc - cycles_before);
    golens.stop();
    program.stop();
}

/// Waits for a reading of as many cycles as the program itself knows. A cycle may still be under way
/// when the program has answered, so both are asked again until they agree.
pub(super) fn settled(golens: &Golens, program: &Program) -> (RuntimeRow, MemoryStats) {
    wait_for("a reading of all cycles", Duration::from_secs(20), || {
        let known: MemoryStats = program.get("/stats").json();
        let rows = golens.runtime();
        let mut own = rows.into_iter().filter(|row| row.pid == program.pid());
        let row = own.find(|row| row.gc_cycles == known.num_gc)?;
        Some((row, known))
    })
}
