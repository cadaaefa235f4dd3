//! Probes that come and go: what happens while a window is open is counted, exactly.

#[path = "scenario/spawn.rs"]
#[expect(dead_code, reason = "traces use the other half")]
mod spawn;

use std::time::Duration;

use serde_json::json;
use tests::harness::{Cgroup, Load, RunDir, Settings, Spawn, Target, Toolchain, wait_until};

/// Well within one window.
const REQUESTS: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn goroutines_and_network_calls_are_counted_while_a_window_is_open() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(Target::new("httpcount").build())
        .service("count")
        .in_cgroup(&cgroup)
        .start(&run);
    let window = json!({"enabled": true, "length": "4s", "every": "5s"});
    let golens = Settings::for_cgroup(&cgroup)
        .set("probes.goroutines", window.clone())
        .set("probes.net", window)
        .start(&run);
    let is_open = |feature: &str| {
        let targets = golens.targets();
        let mut probes = targets.iter().flat_map(|target| &target.probes);
        probes.any(|probe| probe.feature == feature)
    };
    wait_until("both windows to open", PATIENCE, || {
        is_open("goroutine") && is_open("net")
    });
    let load = Load::on(program.address(), "/hello").requests(REQUESTS);
    load.connections(1).run().assert_all("200");
    let count = |name: &str| golens.metrics().count(name, &[("service_name", "count")]);
    wait_until("both windows to close", PATIENCE, || {
        count("golens_probe_window_seconds_total") >= 8
    });

    // A small answer is one write; a connection that waits for its next request reads in a goroutine.
    assert_eq!(count("golens_net_writes_total"), REQUESTS);
    assert!(count("golens_net_reads_total") >= REQUESTS);
    assert!(count("golens_go_goroutine_sampled_created_total") >= REQUESTS);
    assert_eq!(golens.requests_of("count"), REQUESTS);
    golens.stop();
    program.stop();
}

#[test]
fn goroutines_are_counted_where_they_were_created() {
    let counted = spawn::counted(spawn::PROGRAM);
    assert_eq!(counted.places, 4);
    assert!(counted.begun > counted.ended, "some stay: {counted:?}");
}

#[test]
fn goroutines_of_a_stripped_program_of_go_1_21_are_counted_where_they_were_created() {
    let old = Toolchain::Version("go1.21.13");
    spawn::counted(spawn::PROGRAM.with(old).stripped(true));
}

#[test]
fn goroutines_of_a_position_independent_program_are_counted_where_they_were_created() {
    let mut target = spawn::PROGRAM;
    target.flags = &["-buildmode=pie"];
    spawn::counted(target);
}

/// A program that creates more goroutines than the budget pays for loses the probes, says why, and has
/// them back in the next window.
#[test]
fn a_target_over_its_budget_is_left_alone_until_the_next_window() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(spawn::PROGRAM.build())
        .service("spawn")
        .in_cgroup(&cgroup)
        .start(&run);
    let window = json!({"enabled": true, "length": "2s", "every": "2s", "budget": 3_000});
    let golens = Settings::for_cgroup(&cgroup)
        .set("probes.goroutines", window)
        .start(&run);
    let row = golens.await_attached(program.pid(), &["goroutine"]);
    assert_eq!(row.reason, None);
    let (mut asked, over) = (0, Duration::from_secs(30));
    let mut spend = || {
        spawn::ask(&program, "quick", 2_000, 0);
        asked += 2_000;
        spawn::window(&golens, &program).is_some_and(|window| window.over_budget)
    };
    wait_until("the probes to leave", over, &mut spend);
    let row = &golens.targets()[0];
    let reason = row.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("over their budget"), "{reason}");
    assert_eq!(row.state, "attached");
    let row = golens.await_attached(program.pid(), &["goroutine"]);
    assert_eq!(row.windows.len(), 1);
    let created = || {
        golens
            .metrics()
            .count("golens_go_goroutine_sampled_created_total", &[])
    };
    assert!(
        created() >= 1_000 && created() <= asked + 1_000,
        "{}",
        created()
    );
    golens.stop();
    program.stop();
}
