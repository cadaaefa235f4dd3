//! What a Go service does with its node's registry, with unmodified clients against the whole agent.

use std::time::Duration;

use serde_json::json;
use tests::harness::{Cgroup, RunDir, Settings, Spawn, Target, wait_until};

/// What the program says when it has done all of it.
const STEPS: [&str; 9] = [
    "registers with an HTTP check",
    "is found when the check passes",
    "reports by itself with a TTL check",
    "sees a tag change in a watch",
    "keeps namespaces apart",
    "is found by DNS SRV without a client",
    "leads by a lock, and no other does",
    "stores settings with check-and-set",
    "leaves",
];

#[test]
fn a_service_lives_with_the_nodes_registry() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let golens = Settings::for_cgroup(&cgroup)
        .with_registry(&run)
        .set("registry.dns_zones", json!(["consul", "cluster.local"]))
        .start(&run);
    let mut program = Spawn::new(Target::new("consul/walkthrough").build())
        .args([
            "-consul",
            &golens.registry_at("http"),
            "-dns",
            &golens.registry_at("dns"),
        ])
        .in_cgroup(&cgroup)
        .start(&run);
    wait_until("the program to end", Duration::from_secs(60), || {
        program.exited().is_some()
    });
    let steps = program.stdout();
    let steps: Vec<&str> = steps.lines().collect();
    assert_eq!(steps, STEPS, "{}", program.stderr());
    golens.stop();
}
