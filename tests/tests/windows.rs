//! Probes that come and go: what happens while a window is open is counted, exactly.

use std::time::Duration;

use serde_json::json;
use tests::harness::{Cgroup, Load, RunDir, Settings, Spawn, Target, wait_until};

/// Well within one window.
const REQUESTS: u64 = 500;

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
    wait_until("both windows to open", Duration::from_secs(10), || {
        is_open("goroutine") && is_open("net")
    });
    let load = Load::on(program.address(), "/hello").requests(REQUESTS);
    load.connections(1).run().assert_all("200");
    wait_until("both windows to close", Duration::from_secs(10), || {
        !is_open("goroutine") && !is_open("net")
    });

    let metrics = golens.metrics();
    let count = |name: &str| metrics.count(name, &[("service_name", "count")]);
    // A small answer is one write; a connection that waits for its next request reads in a goroutine.
    assert_eq!(count("golens_net_writes_total"), REQUESTS);
    assert!(count("golens_net_reads_total") >= REQUESTS);
    assert!(count("golens_goroutines_created_total") >= REQUESTS);
    assert!(count("golens_probe_window_seconds_total") >= 8);
    assert_eq!(golens.requests_of("count"), REQUESTS);
    golens.stop();
    program.stop();
}
