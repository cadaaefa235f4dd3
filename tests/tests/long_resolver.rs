//! A child that does not come to an end is ended; takes as long as a child may take.

use std::{fs, time::Duration};

use tests::harness::{
    Cgroup, HeldResolver, RunDir, Settings, Spawn, Target, holding_resolvers, wait_for,
};

#[test]
fn a_child_that_takes_too_long_is_ended_and_costs_one_target() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let golens = Settings::for_cgroup(&cgroup)
        .under(holding_resolvers())
        .start(&run);
    let binary = run.path().join("slow");
    fs::copy(Target::new("httpcount").build(), &binary).expect("copy the binary");
    let program = Spawn::new(&binary).in_cgroup(&cgroup).start(&run);
    let child = HeldResolver::of(&binary);
    let reason = wait_for("a refusal", Duration::from_secs(120), || {
        let mut targets = golens.targets().into_iter();
        let row = targets.find(|row| row.pid == program.pid())?;
        (row.state == "refused").then(|| row.reason.unwrap_or_default())
    });
    assert!(reason.contains("not read within 60 s"), "{reason}");
    assert!(child.has_ended());
    assert_eq!(golens.counters().get("resolver.timeout"), Some(&1));
    golens.stop();
    program.stop();
}
