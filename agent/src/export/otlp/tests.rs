//! The exporter against collectors that run inside the test.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use prost::Message;
use tokio::net::TcpListener;

use super::*;
use crate::{
    export::ExporterHandle,
    telemetry::{Telemetry, testing},
};

/// Statuses to answer with, in order, and what came in.
#[derive(Clone, Default)]
struct Collector {
    script: Arc<Mutex<Vec<(StatusCode, &'static str)>>>,
    requests: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

async fn collect(
    State(collector): State<Collector>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1], Vec<u8>) {
    let mut requests = collector.requests.lock().expect("not poisoned");
    requests.push((headers, body));
    let mut script = collector.script.lock().expect("not poisoned");
    let (status, after) = match script.is_empty() {
        true => (StatusCode::OK, ""),
        false => script.remove(0),
    };
    (status, [("retry-after", after)], Vec::new())
}

async fn http_collector(script: &[(StatusCode, &'static str)]) -> (Collector, String) {
    let collector = Collector::default();
    *collector.script.lock().expect("not poisoned") = script.to_vec();
    let app = Router::new()
        .route("/v1/traces", post(collect))
        .with_state(collector.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (collector, format!("http://{address}"))
}

fn config(endpoint: String, protocol: OtlpProtocol) -> config::Otlp {
    config::Otlp {
        endpoint: Some(endpoint),
        protocol,
        headers: [("x-token".to_owned(), "secret".to_owned().into())].into(),
        timeout: config::Interval(Duration::from_secs(2)),
        ..config::Otlp::default()
    }
}

fn fast() -> Policy {
    Policy {
        linger: Duration::from_millis(5),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        attempts: 4,
        ..Policy::default()
    }
}

/// Sends three spans and returns the items of one outcome.
async fn send_three(config: &config::Otlp, outcome: &str) -> u64 {
    let telemetry = Telemetry::new();
    let ready = ready_with(config, |_| None, fast())
        .expect("settings are valid")
        .expect("an endpoint is set");
    let handle = ExporterHandle::start(ready, telemetry.own().exporter(EXPORTER));
    for status in [200, 404, 500] {
        let span = testing::http_span("shop", Some("/items/{id}"), status);
        handle.sender().try_send(Arc::new(span));
    }
    handle.shutdown(Duration::from_secs(10)).await;
    let totals = telemetry.own().totals();
    let name = format!("golens_export_items_total{{exporter=\"otlp\",outcome=\"{outcome}\"}}");
    totals.get(&name).copied().unwrap_or(0)
}

#[tokio::test]
async fn http_sends_protobuf_with_headers_and_retries() {
    let script = [
        (StatusCode::TOO_MANY_REQUESTS, "0"),
        (StatusCode::SERVICE_UNAVAILABLE, ""),
    ];
    let (collector, url) = http_collector(&script).await;
    assert_eq!(
        send_three(&config(url, OtlpProtocol::HttpProtobuf), "sent").await,
        3
    );
    let requests = collector.requests.lock().expect("not poisoned");
    assert_eq!(requests.len(), 3, "two failures and one success");
    for (headers, body) in requests.iter() {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(headers["x-token"], "secret");
        let request = ExportTraceServiceRequest::decode(&**body).expect("decodes");
        assert_eq!(request.resource_spans[0].scope_spans[0].spans.len(), 3);
    }
}

#[tokio::test]
async fn the_pause_a_server_asks_for_is_kept() {
    let (_collector, url) = http_collector(&[(StatusCode::TOO_MANY_REQUESTS, "1")]).await;
    let started = std::time::Instant::now();
    assert_eq!(
        send_three(&config(url, OtlpProtocol::HttpProtobuf), "sent").await,
        3
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn http_gives_up_at_once_on_a_bad_request() {
    let (collector, url) = http_collector(&[(StatusCode::BAD_REQUEST, "")]).await;
    assert_eq!(
        send_three(&config(url, OtlpProtocol::HttpProtobuf), "refused").await,
        3
    );
    assert_eq!(collector.requests.lock().expect("not poisoned").len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_retried_and_then_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    for protocol in [OtlpProtocol::HttpProtobuf, OtlpProtocol::Grpc] {
        let given_up = send_three(&config(url.clone(), protocol), "attempts_exhausted").await;
        assert_eq!(given_up, 3, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_silent_server_costs_its_timeout_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    for protocol in [OtlpProtocol::HttpProtobuf, OtlpProtocol::Grpc] {
        let mut config = config(url.clone(), protocol);
        config.timeout = config::Interval(Duration::from_millis(50));
        let given_up = send_three(&config, "attempts_exhausted").await;
        assert_eq!(given_up, 3, "{protocol:?}");
    }
}

/// Takes the second call, and of that all spans but one.
#[derive(Default)]
struct Grpc {
    calls: Mutex<Vec<ExportTraceServiceRequest>>,
}

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        if request.metadata().get("x-token").is_none() {
            return Err(tonic::Status::unauthenticated("no token"));
        }
        let mut calls = self.calls.lock().expect("not poisoned");
        calls.push(request.into_inner());
        if calls.len() == 1 {
            return Err(tonic::Status::unavailable("starting"));
        }
        let partial_success = Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "too old".to_owned(),
        });
        Ok(tonic::Response::new(ExportTraceServiceResponse {
            partial_success,
        }))
    }
}

#[tokio::test]
async fn grpc_retries_and_counts_partial_success() {
    let collector = Arc::new(Grpc::default());
    let incoming = tonic::transport::server::TcpIncoming::bind(([127, 0, 0, 1], 0).into());
    let incoming = incoming.expect("bind");
    let url = format!("http://{}", incoming.local_addr().expect("bound"));
    let service = TraceServiceServer::from_arc(Arc::clone(&collector));
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    assert_eq!(
        send_three(&config(url, OtlpProtocol::Grpc), "sent").await,
        2
    );
    let calls = collector.calls.lock().expect("not poisoned");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0], calls[1], "the same batch is sent again");
}
