//! Every request is counted once and costs two traps.

use std::collections::BTreeSet;

use tests::harness::{
    Cgroup, Golens, HttpCountStats, Load, RunDir, Settings, Spawn, Target, Toolchain,
};

/// Series of the RED histogram.
const REQUESTS: &str = "http_server_request_duration_seconds_count";

/// Spans and lines the API lists at most.
const LISTED: u64 = 10_000;

/// Sends `requests` over each number of connections, half of them writing one log line, and compares
/// the load client's count with spans, counters, metrics and the kernel's own run counts.
pub(super) fn exact(toolchain: Toolchain, stripped: bool, requests: u64, connections: &[u32]) {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let target = Target::new("httpcount").with(toolchain).stripped(stripped);
    let program = Spawn::new(target.build())
        .service("count")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    let row = golens.await_attached(program.pid(), &["http", "log", "gc"]);
    assert_eq!(row.go_version, toolchain.to_string());
    assert_eq!(
        row.symbol_source,
        if stripped { "pclntab" } else { "symtab" }
    );
    for probe in &row.probes {
        assert!(probe.instruction.starts_with("push"), "{probe:?}");
    }

    let mut sent = 0;
    for connections in connections {
        let before = Traps::read(&golens);
        let load = Load::on(program.address(), "/hello").and(program.address(), "/log");
        let summary = load.requests(requests).connections(*connections).run();
        summary.assert_all("200");
        sent += summary.requests;
        golens.await_requests("count", sent);

        let traps = Traps::read(&golens).since(&before);
        assert_eq!(
            traps.requests,
            2 * summary.requests,
            "{connections} connections"
        );
        assert_eq!(
            traps.log_writes,
            summary.requests / 2,
            "{connections} connections"
        );
        assert_spans(&golens, sent, &summary.trace_ids);
    }
    assert_eq!(golens.drops(), [].into(), "nothing is lost");
    let metrics = golens.metrics();
    assert_eq!(metrics.count(REQUESTS, &[("service_name", "count")]), sent);
    let ok = [
        ("service_name", "count"),
        ("http_response_status_code", "200"),
    ];
    assert_eq!(metrics.count(REQUESTS, &ok), sent);
    assert_eq!(metrics.count("golens_spans_total", &[]), sent);
    assert_eq!(metrics.count("golens_log_lines_total", &[]), sent / 2);
    if sent <= LISTED {
        let lines = golens.logs();
        let own = lines.iter().filter(|line| line.service == "count");
        assert_eq!(own.count() as u64, sent / 2);
    }

    let truth: HttpCountStats = program.get("/stats").json();
    assert_eq!(truth.requests["/hello"] + truth.requests["/log"], sent);
    assert_eq!(truth.log_writes, sent / 2);
    golens.stop();
    program.stop();
}

/// There are `sent` spans, no two alike, and each trace of the load client has one. Of more than the
/// API lists, the newest are looked at.
fn assert_spans(golens: &Golens, sent: u64, traces: &[String]) {
    let listed = sent.min(LISTED);
    let spans = golens.await_spans(listed);
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len() as u64, listed, "span ids repeat");
    if listed == sent {
        let seen: BTreeSet<_> = spans.iter().map(|span| &span.trace_id).collect();
        for trace in traces {
            assert!(seen.contains(trace), "no span of trace {trace}");
        }
    }
    assert!(
        spans
            .iter()
            .all(|span| span.start_unix_nano <= span.end_unix_nano)
    );
}

/// How often the kernel ran the programs.
struct Traps {
    requests: u64,
    log_writes: u64,
}

impl Traps {
    fn read(golens: &Golens) -> Self {
        Self {
            requests: golens.kernel_runs("http_server_start")
                + golens.kernel_runs("http_server_end"),
            log_writes: golens.kernel_runs("log_write"),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            log_writes: self.log_writes - before.log_writes,
        }
    }
}
