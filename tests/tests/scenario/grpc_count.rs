//! Every gRPC call is counted once, by its code.

use std::{collections::BTreeMap, process::Command};

use serde::Deserialize;
use tests::harness::{Cgroup, RunDir, Settings, Spawn, Target};

/// What the client of `grpccount` counted.
#[derive(Deserialize)]
struct Summary {
    calls: u64,
    codes: BTreeMap<String, u64>,
    trace_ids: Vec<String>,
}

/// Makes calls that are answered with each of `codes` in turn, one at a time and 64 at a time.
pub(super) fn exact(stripped: bool, calls: u64, codes: &[(&str, &str)]) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let binary = Target::new("services/grpccount").stripped(stripped).build();
    let program = Spawn::new(&binary)
        .service("calls")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    let _row = golens.await_attached(program.pid(), &["grpc"]);

    let numbers: Vec<&str> = codes.iter().map(|(number, _)| *number).collect();
    let mut made = 0;
    let mut by_code: BTreeMap<String, u64> = BTreeMap::new();
    let mut traces = Vec::new();
    for concurrency in ["1", "64"] {
        let before =
            golens.kernel_runs("grpc_server_start") + golens.kernel_runs("grpc_server_end");
        let output = Command::new(&binary)
            .args(["-call", program.address(), "-concurrency", concurrency])
            .args(["-calls", &calls.to_string(), "-codes", &numbers.join(",")])
            .output()
            .expect("run the client");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let summary: Summary = serde_json::from_slice(&output.stdout).expect("a summary");
        made += summary.calls;
        traces.extend(summary.trace_ids);
        for (code, count) in summary.codes {
            *by_code.entry(code).or_default() += count;
        }
        golens.await_requests("calls", made);
        let after = golens.kernel_runs("grpc_server_start") + golens.kernel_runs("grpc_server_end");
        assert_eq!(
            after - before,
            2 * summary.calls,
            "concurrency {concurrency}"
        );
    }
    assert_eq!(golens.drops(), [].into());
    assert_eq!(golens.await_spans(made).len() as u64, made);
    assert_eq!(by_code.len(), codes.len());
    let metrics = golens.metrics();
    for (number, name) in codes {
        let labels = [
            ("service_name", "calls"),
            ("rpc_response_status_code", *name),
            ("rpc_method", "count.Count/Answer"),
        ];
        let counted = metrics.count("rpc_server_call_duration_seconds_count", &labels);
        assert_eq!(counted, by_code[*number], "{name}");
    }
    assert_eq!(traces.len() as u64, made);
    golens.stop();
    program.stop();
}
