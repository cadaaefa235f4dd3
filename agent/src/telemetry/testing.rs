//! Spans and log records for tests of telemetry, recent, export and api.

use std::sync::Arc;

use crate::{
    clock::UnixNanos,
    correlate::{Attributes, GcOverlap, GrpcServer, HttpServer, Span, SpanId, SpanKind, TraceId},
    identity::Resource,
    logs::{Level, LogRecord, Stream},
    runtime::RingCycle,
};

/// 2026-11-23 12:00:00 UTC.
pub(crate) const NOON: u64 = 1_795_435_200_000_000_000;

pub(crate) fn resource(service: &str) -> Arc<Resource> {
    Arc::new(Resource {
        service_name: service.to_owned(),
        service_namespace: None,
        service_version: Some("1.2.3".to_owned()),
        service_instance_id: format!("{service}-1"),
        host_name: "node-1".to_owned(),
        pid: 42,
        executable_name: service.to_owned(),
        runtime_version: "go1.26.8".to_owned(),
        container_id: None,
        extra: Vec::new(),
    })
}

fn span(service: &str, attributes: Attributes) -> Span {
    Span {
        resource: resource(service),
        trace_id: TraceId([0xab; 16]),
        span_id: SpanId([0xcd; 8]),
        parent_span_id: None,
        parent_is_remote: false,
        kind: SpanKind::Server,
        start: UnixNanos(NOON),
        end: UnixNanos(NOON + 3_000_000),
        goid: 7,
        gc: GcOverlap::Unknown,
        attributes,
    }
}

/// A request of 3 ms.
pub(crate) fn http_span(service: &str, route: Option<&str>, status_code: u16) -> Span {
    span(
        service,
        Attributes::HttpServer(HttpServer {
            scheme: "http",
            method: "GET".to_owned(),
            method_original: None,
            route: route.map(str::to_owned),
            path: "/items/1".to_owned(),
            query: None,
            status_code,
            response_body_bytes: Some(12),
            server_address: Some("shop.example".to_owned()),
            server_port: Some(8080),
            client_address: Some("127.0.0.1".to_owned()),
            client_port: Some(50_000),
        }),
    )
}

/// A call of 3 ms.
pub(crate) fn grpc_span(service: &str, status_code: u32) -> Span {
    span(
        service,
        Attributes::GrpcServer(GrpcServer {
            method: "shop.v1.Items/Get".to_owned(),
            status_code,
        }),
    )
}

/// A line at info level, joined to the span of `http_span` when `correlated`.
pub(crate) fn log(service: &str, line: &str, correlated: bool) -> LogRecord {
    LogRecord {
        resource: resource(service),
        time: UnixNanos(NOON + 1_000_000),
        line: line.to_owned(),
        truncated: false,
        level: Some(Level::Info),
        stream: Stream::Stdout,
        goid: 7,
        span: correlated.then_some((TraceId([0xab; 16]), SpanId([0xcd; 8]))),
    }
}

/// Cycles from 1 on with these pauses.
pub(crate) fn ring_cycles(pauses_ns: impl IntoIterator<Item = u64>) -> Vec<RingCycle> {
    let cycle = |(number, pause_ns)| RingCycle {
        number,
        pause_ns,
        end: UnixNanos(NOON),
    };
    (1..).zip(pauses_ns).map(cycle).collect()
}
