//! Every way to attach counts the same: each request once, for the process that served it.

use std::time::Duration;

use serde_json::json;
use tests::harness::{Cgroup, Load, Program, RunDir, Settings, Spawn, Target, wait_until};

#[test]
fn links_by_file_count_once_for_each_process() {
    two_processes_of_one_binary("by_file");
}

#[test]
fn perf_uprobes_count_once_for_each_process() {
    two_processes_of_one_binary("perf");
}

/// Two processes share the probes of their binary; the one that came first ends before the other.
fn two_processes_of_one_binary(mode: &str) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let binary = Target::new("httpcount").build();
    let start = |name: &str| {
        Spawn::new(&binary)
            .service(name)
            .in_cgroup(&cgroup)
            .start(&run)
    };
    let (first, second) = (start("first"), start("second"));
    let golens = Settings::for_cgroup(&cgroup)
        .set("probes.attach", json!(mode))
        .start(&run);
    for program in [&first, &second] {
        let _row = golens.await_attached(program.pid(), &["http", "log"]);
    }
    ask(&first, 300);
    ask(&second, 200);
    golens.await_requests("first", 300);
    golens.await_requests("second", 200);

    first.stop();
    wait_until("the end to be noticed", Duration::from_secs(5), || {
        golens.targets().len() == 1
    });
    ask(&second, 100);
    golens.await_requests("second", 300);

    let lines = golens.logs();
    for service in ["first", "second"] {
        let own = lines
            .iter()
            .filter(|line| line.service == service && line.stream == "stdout");
        assert_eq!(own.count(), 300, "lines of {service}");
    }
    assert_eq!(golens.drops(), [].into(), "nothing is lost");
    golens.stop();
    second.stop();
}

fn ask(program: &Program, requests: u64) {
    let load = Load::on(program.address(), "/log").requests(requests);
    load.connections(8).run().assert_all("200");
}
