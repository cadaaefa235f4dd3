//! Every route over a real connection.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HOST};
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot};

use super::*;
use crate::{
    clock::{MonotonicNanos, UnixNanos},
    config,
    correlate::{SpanId, TraceId},
    discovery::{TargetReport, TargetState},
    recent::Recent,
    runtime::{
        Figure, Numbers, RuntimeReading,
        gc::{GcCycle, Observed, Phases, Stop, StopReason},
    },
    telemetry::{Telemetry, testing},
};

struct Server {
    address: String,
    client: reqwest::Client,
    ready: Arc<AtomicBool>,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// An agent that has seen `front` call `shop`, with hostile text in between.
async fn server() -> Server {
    let telemetry = Arc::new(Telemetry::new());
    let recent = Arc::new(Recent::new(&config::Recent::default()));
    let mut inner = testing::http_span("shop", Some("/items/{id}"), 500);
    inner.parent_span_id = Some(SpanId([1; 8]));
    let mut outer = testing::http_span("front", Some("/<b>"), 200);
    outer.span_id = SpanId([1; 8]);
    outer.end.0 += 1_000_000;
    let mut alone = testing::grpc_span("cart", 0);
    alone.trace_id = TraceId([2; 16]);
    for span in [inner, outer, alone] {
        telemetry.record_span(&span);
        recent.span(Arc::new(span));
    }
    recent.log(Arc::new(testing::log(
        "shop",
        "<script>alert(1)</script>",
        true,
    )));
    recent.log(Arc::new(testing::log("shop", "background", false)));
    telemetry.update_runtime(
        &testing::resource("shop"),
        RuntimeReading {
            numbers: Numbers::default().with(Figure::Goroutines, 12),
            gc_cycles: 3,
            new_gc_cycles: testing::ring_cycles([20_000, 30_000]),
            complete: true,
            ..RuntimeReading::default()
        },
    );
    let cycles = testing::ring_cycles([20_000, 30_000]);
    recent
        .gc_timeline(&testing::resource("shop"))
        .ring(&cycles, 4);
    recent.gc_cycle(
        &testing::resource("shop"),
        observed(),
        Some(UnixNanos(testing::NOON)),
    );
    let ready = Arc::new(AtomicBool::new(false));
    let state = State {
        telemetry,
        recent,
        targets: Box::new(|| vec![target()]),
        goroutines: Box::new(Vec::new),
        counters: Box::new(|| BTreeMap::from([("ring_full".to_owned(), 3)])),
        config: Box::new(|| crate::documents::Report {
            listeners: Vec::new(),
            documents: Vec::new(),
            events: Vec::new(),
        }),
        registry: Arc::default(),
        ready: Arc::clone(&ready),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("bound").to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, state, async move {
        drop(stopped.await);
    }));
    drop(rustls::crypto::ring::default_provider().install_default());
    Server {
        address,
        client: reqwest::Client::builder()
            .tls_certs_only([])
            .build()
            .expect("client"),
        ready,
        stop,
        served,
    }
}

/// Cycle 2 of `shop` as the probe saw it: it stopped the world 5 ns after its start.
fn observed() -> GcCycle {
    let at = |after: u64| MonotonicNanos(1_000 + after);
    let stop = Stop {
        reason: StopReason::SweepTermination,
        cycle: 2,
        started: Some(at(5)),
        stopped: Some(at(15)),
        ended: at(30_005),
        exact: true,
    };
    GcCycle {
        number: 2,
        pause_ns: 30_000,
        end: None,
        observed: Some(Observed {
            phases: Some(Phases {
                sweep_termination: at(0),
                mark: at(30_005),
                mark_termination: at(40_000),
                end: at(40_001),
            }),
            forced: Some(true),
            heap_bytes: Some([7, 8, 9]),
            stops: vec![stop],
            stops_complete: true,
            ..Observed::default()
        }),
    }
}

fn target() -> TargetReport {
    TargetReport {
        pid: 42,
        service: "shop".to_owned(),
        executable: "/shop".to_owned(),
        state: TargetState::Attached,
        reason: None,
        go_version: "go1.26.8".to_owned(),
        build_id: "abc".to_owned(),
        symbol_source: "symtab".to_owned(),
        layout_source: "dwarf5".to_owned(),
        probes: Vec::new(),
        windows: Vec::new(),
        unresolved: Vec::new(),
    }
}

impl Server {
    fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    async fn text(&self, path: &str) -> (u16, String) {
        let response = self.request(path).send().await.expect("answered");
        let status = response.status().as_u16();
        (status, response.text().await.expect("text"))
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.text(path).await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).expect("json")
    }
}

#[tokio::test]
async fn every_list_has_the_shape_that_readers_expect() {
    let server = server().await;
    let targets = server.json("/api/v1/targets").await;
    assert_eq!(targets["targets"][0]["pid"], 42);

    let services = server.json("/api/v1/services").await;
    let shop = services["services"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["service"] == "shop")
        .expect("shop");
    assert_eq!((&shop["requests"], &shop["errors"]), (&1.into(), &1.into()));
    assert_eq!(
        (&shop["protocol"], &shop["route"]),
        (&"http".into(), &"/items/{id}".into())
    );
    assert!(shop["p99_seconds"].as_f64().expect("a number") > 0.0);

    let runtime = server.json("/api/v1/runtime").await;
    let reading = &runtime["runtime"][0];
    assert_eq!(reading["goroutines"], 12);
    assert_eq!(
        reading["last_pauses_ns"],
        serde_json::json!([20_000, 30_000])
    );
    assert_eq!(reading["heap_live_bytes"], Value::Null);

    let counters = server.json("/api/v1/counters").await;
    assert_eq!(counters["counters"]["ring_full"], 3);
}

#[tokio::test]
async fn cycles_of_a_process_tell_what_is_known_of_each() {
    let server = server().await;
    let processes = server.json("/api/v1/gc?pid=42&service=shop").await;
    let shop = &processes["gc"][0];
    assert_eq!(
        (&shop["pid"], &shop["cycles_lost"]),
        (&42.into(), &4.into())
    );
    let [last, first] = [&shop["cycles"][0], &shop["cycles"][1]];
    assert_eq!(last["phases"]["sweep_termination_ns"], 30_005);
    assert_eq!(last["heap"]["live_bytes"], 9);
    assert_eq!(last["end_unix_nano"], testing::NOON, "the ring's word");
    let stop = serde_json::json!({
        "reason": "GC sweep termination",
        "start_unix_nano": testing::NOON + 5,
        "length_ns": 30_000,
        "stopping_ns": 10,
        "exact": true,
    });
    assert_eq!(last["stops"], serde_json::json!([stop]));
    assert_eq!(first["pause_ns"], 20_000);
    for unknown in ["forced", "phases", "heap", "start_unix_nano", "gomaxprocs"] {
        assert_eq!(first[unknown], Value::Null, "{unknown}");
    }
    let one = server.json("/api/v1/gc?limit=1").await;
    assert_eq!(one["gc"][0]["cycles"].as_array().expect("a list").len(), 1);
    for nobody in ["pid=43", "service=cart"] {
        let none = server.json(&format!("/api/v1/gc?{nobody}")).await;
        assert_eq!(none["gc"], serde_json::json!([]), "{nobody}");
    }
}

#[tokio::test]
async fn traces_are_listed_and_shown_with_their_logs() {
    let server = server().await;
    let all = server.json("/api/v1/traces").await;
    assert_eq!(all["traces"].as_array().expect("a list").len(), 2);
    let joined = server
        .json("/api/v1/traces?min_spans=2&service=shop&limit=5")
        .await;
    let joined = joined["traces"].as_array().expect("a list");
    assert_eq!(joined.len(), 1);
    assert_eq!(joined[0]["services"], serde_json::json!(["front", "shop"]));
    assert_eq!(
        (&joined[0]["errors"], &joined[0]["logs"]),
        (&1.into(), &1.into())
    );

    let id = joined[0]["trace_id"].as_str().expect("an id");
    let trace = server.json(&format!("/api/v1/traces/{id}")).await;
    assert_eq!(trace["trace_id"], id);
    let span = &trace["spans"][0];
    assert_eq!(span["kind"], "server");
    assert_eq!(span["start_unix_nano"], testing::NOON);
    assert_eq!(span["resource"]["service.name"], span["service"]);
    let log = &trace["logs"][0];
    assert_eq!(log["line"], "<script>alert(1)</script>");
    assert_eq!(
        (&log["level"], &log["stream"]),
        (&"info".into(), &"stdout".into())
    );
    assert_eq!(log["trace_id"], id);
}

#[tokio::test]
async fn spans_and_logs_are_filtered() {
    let server = server().await;
    let spans = server.json("/api/v1/spans?limit=1").await;
    assert_eq!(spans["spans"][0]["service"], "cart");
    assert_eq!(spans["spans"].as_array().expect("a list").len(), 1);
    let logs = server.json("/api/v1/logs?service=shop").await;
    assert_eq!(logs["logs"][0]["line"], "background");
    assert_eq!(logs["logs"][0]["trace_id"], Value::Null);
    let id = "ab".repeat(16);
    let of_trace = server.json(&format!("/api/v1/logs?trace_id={id}")).await;
    assert_eq!(of_trace["logs"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn failures_are_json_with_a_status() {
    let server = server().await;
    let missing = format!("/api/v1/traces/{}", "0".repeat(32));
    let cases = [
        (missing.as_str(), 404),
        ("/api/v1/traces/not-an-id", 404),
        ("/api/v1/logs?limit=many", 400),
        ("/api/v1/logs?trace_id=12", 400),
        ("/api/v1/logs?unknown=1", 400),
        ("/api/v1/gc?pid=me", 400),
        ("/nothing", 404),
    ];
    for (path, expected) in cases {
        let (status, text) = server.text(path).await;
        assert_eq!(status, expected, "{path}");
        let body: Value = serde_json::from_str(&text).expect("json");
        assert!(body["error"].is_string(), "{path}: {text}");
    }
    let url = format!("http://{}/api/v1/targets", server.address);
    let posted = server.client.post(url).send().await.expect("answered");
    assert_eq!(posted.status().as_u16(), 405);
    assert!(posted.text().await.expect("text").contains("only GET"));
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let server = server().await;
    let plain = server.request("/metrics").send().await.expect("answered");
    assert_eq!(
        plain.headers()[CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let asked = server
        .request("/metrics")
        .header(
            ACCEPT,
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
        )
        .header(HOST, "golens.monitoring.svc:9717");
    let open = asked.send().await.expect("answered");
    assert_eq!(
        open.headers()[CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let page = open.text().await.expect("text");
    let exemplar = format!("# {{trace_id=\"{}\",span_id=\"", "ab".repeat(16));
    assert!(page.contains(&exemplar) && page.ends_with("# EOF\n"));
}

#[tokio::test]
async fn readiness_follows_the_first_scan() {
    let server = server().await;
    assert_eq!(server.text("/healthz").await.0, 200);
    assert_eq!(server.text("/readyz").await.0, 503);
    server
        .ready
        .store(true, std::sync::atomic::Ordering::Release);
    assert_eq!(server.text("/readyz").await.0, 200);
}

#[tokio::test]
async fn the_page_escapes_what_targets_say_and_refuses_foreign_names() {
    let server = server().await;
    let page = server.request("/").send().await.expect("answered");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let text = page.text().await.expect("text");
    assert!(
        text.contains("GET /&lt;b&gt;") && !text.contains("<b>"),
        "{text}"
    );
    let trace = format!("/traces/{}", "ab".repeat(16));
    assert!(text.contains(&trace));
    let (status, text) = server.text(&trace).await;
    assert_eq!(status, 200);
    assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"));

    let foreign = server.request("/").header(HOST, "evil.example");
    assert_eq!(
        foreign.send().await.expect("answered").status().as_u16(),
        421
    );
}

#[tokio::test]
async fn the_server_stops_when_told() {
    let server = server().await;
    assert_eq!(server.text("/healthz").await.0, 200);
    server.stop.send(()).expect("the server listens");
    let deadline = std::time::Duration::from_secs(10);
    let served = tokio::time::timeout(deadline, server.served).await;
    assert!(served.expect("in time").expect("no panic").is_ok());
}
