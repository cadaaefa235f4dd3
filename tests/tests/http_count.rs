//! Exact counts of HTTP requests; the smaller half of the matrix.

#[path = "scenario/http_count.rs"]
mod http_count;

use std::time::Duration;

use serde_json::json;
use tests::harness::{Cgroup, Load, RunDir, Settings, Spawn, Target, Toolchain, wait_until};

const OLDEST: Toolchain = Toolchain::Version("go1.21.13");

#[test]
fn every_request_is_counted_with_go_1_21() {
    http_count::exact(OLDEST, false, 4000, &[1, 64]);
}

#[test]
fn every_request_is_counted_with_go_1_21_stripped() {
    http_count::exact(OLDEST, true, 4000, &[1, 64]);
}

#[test]
fn every_request_is_counted_with_the_installed_go() {
    http_count::exact(Toolchain::Installed, false, 4000, &[1, 64]);
}

#[test]
fn every_request_is_counted_with_the_installed_go_stripped() {
    http_count::exact(Toolchain::Installed, true, 4000, &[1, 64]);
}

/// A ring of 4 KiB that is read once a second holds a handful of requests; the others must all be
/// found again in a counter.
#[test]
fn requests_without_a_span_are_counted_as_drops() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(Target::new("httpcount").build())
        .service("count")
        .in_cgroup(&cgroup)
        .start(&run);
    // Only requests may write to the ring, so that each drop is one of them.
    let golens = Settings::for_cgroup(&cgroup)
        .set("probes.ring", json!("4KiB"))
        .set("probes.drain", json!("1s"))
        .set("probes.logs", json!(false))
        .set("probes.gc", json!(false))
        .start(&run);
    let _row = golens.await_attached(program.pid(), &["http"]);
    let summary = Load::on(program.address(), "/hello")
        .requests(5000)
        .connections(64)
        .run();
    summary.assert_all("200");

    let dropped = || golens.lost("ring_full");
    let all = || golens.requests_of("count") + dropped();
    wait_until("spans and drops to add up", Duration::from_secs(20), || {
        all() >= summary.requests
    });
    assert_eq!(all(), summary.requests, "{:?}", golens.drops());
    assert!(
        dropped() > 0,
        "nothing was dropped: {:?}",
        golens.counters()
    );
    let _spans = golens.await_spans(golens.requests_of("count"));
    let others = golens
        .drops()
        .into_keys()
        .filter(|name| !name.contains("ring_full"));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0]);
    golens.stop();
    program.stop();
}

#[test]
fn requests_are_counted_by_status_code_and_route() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(Target::new("httpcount").build())
        .service("count")
        // The module's language version is older than patterns; newer ones have them on.
        .env("GODEBUG", "httpmuxgo121=0")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    let _row = golens.await_attached(program.pid(), &["http"]);
    let mut sent = 0;
    for (code, requests) in [("200", 30), ("404", 20), ("503", 10)] {
        let path = format!("/status?code={code}");
        Load::on(program.address(), &path)
            .requests(requests)
            .run()
            .assert_all(code);
        sent += requests;
    }
    golens.await_requests("count", sent);

    let metrics = golens.metrics();
    for (code, requests) in [("200", 30), ("404", 20), ("503", 10)] {
        let labels = [
            ("service_name", "count"),
            ("http_route", "/status"),
            ("http_request_method", "GET"),
            ("http_response_status_code", code),
        ];
        assert_eq!(
            metrics.count("http_server_request_duration_seconds_count", &labels),
            requests
        );
    }
    let rows = golens.services();
    let row = rows
        .iter()
        .find(|row| row.service == "count")
        .expect("a row of the service");
    assert_eq!(row.route.as_deref(), Some("/status"));
    // The conventions call a server's 4xx the client's error.
    assert_eq!((row.protocol.as_str(), row.errors), ("http", 10));
    golens.stop();
    program.stop();
}

/// Neither a panic nor a hijack reaches the end of a request; what they leave behind must not become
/// part of the next request on the same connection or goroutine.
#[test]
fn panics_and_hijacks_leave_nothing_behind() {
    let (run, cgroup) = (RunDir::new(), Cgroup::new());
    let program = Spawn::new(Target::new("httpcount").build())
        .service("count")
        .in_cgroup(&cgroup)
        .start(&run);
    let golens = Settings::for_cgroup(&cgroup).start(&run);
    let _row = golens.await_attached(program.pid(), &["http"]);
    for path in ["/panic", "/hijack"] {
        assert_eq!(
            Load::on(program.address(), path)
                .requests(20)
                .run()
                .requests,
            20
        );
    }
    let summary = Load::on(program.address(), "/hello")
        .requests(500)
        .connections(8)
        .run();
    summary.assert_all("200");
    wait_until("the requests that ended", Duration::from_secs(10), || {
        golens.requests_of("count") >= 500
    });
    let spans = golens.spans();
    let hello = spans
        .iter()
        .filter(|span| span.attribute("url.path").as_deref() == Some("/hello"));
    assert_eq!(hello.count(), 500);
    for trace in &summary.trace_ids {
        let of_trace: Vec<_> = spans
            .iter()
            .filter(|span| span.trace_id == *trace)
            .collect();
        assert_eq!(of_trace.len(), 1, "{of_trace:?}");
    }
    golens.stop();
    program.stop();
}
