//! `golens run -- COMMAND` is attached before the command's first request.

use std::time::Duration;

use tests::harness::{Cgroup, RunDir, Settings, Target, wait_until};

/// Requests the program sends to itself as soon as it runs.
const REQUESTS: u64 = 50;

#[test]
fn a_started_command_loses_no_request() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let binary = Target::new("httpcount").build();
    // The group is for cleaning up only: the scope is the command's.
    let golens = Settings::open()
        .env("OTEL_SERVICE_NAME", "started")
        .running([
            binary.to_str().expect("a path in UTF-8"),
            "-immediate",
            &REQUESTS.to_string(),
        ])
        .start_in(&run, Some(&cgroup));
    golens.await_requests("started", REQUESTS);
    let spans = golens.await_spans(REQUESTS);
    assert!(spans.iter().all(|span| span.service == "started"));
    assert_eq!(golens.kernel_runs("http_server_start"), REQUESTS);
    assert_eq!(golens.kernel_runs("http_server_end"), REQUESTS);
    assert_eq!(golens.drops(), [].into());
    let others: Vec<_> = golens
        .targets()
        .into_iter()
        .filter(|target| target.state != "refused" && target.service != "started")
        .collect();
    assert!(others.is_empty(), "{others:?}");
    golens.stop();
    wait_until(
        "the command to end with golens",
        Duration::from_secs(10),
        || cgroup.pids().is_empty(),
    );
}
