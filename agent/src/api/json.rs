//! `/api/v1`: what the status page, `golens` verbs and tests read.

use std::sync::Arc;

use axum::{
    Json,
    extract::{self, Path, Query, rejection::QueryRejection},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{State, error::Error};
use crate::{
    clock::UnixNanos,
    correlate::{Span, SpanId, SpanKind, TraceId},
    logs::{Level, LogRecord, Stream},
    recent::{LogQuery, SpanQuery, Trace, TraceQuery},
};

type Shared = extract::State<Arc<State>>;
type Answer = Result<Json<Value>, Error>;

/// Entries of one answer when the request does not say how many.
const USUAL: usize = 100;
/// Entries of one answer at most.
const MOST: usize = 10_000;

/// Query parameters of all lists.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    limit: Option<usize>,
    service: Option<String>,
    trace_id: Option<String>,
    min_spans: Option<usize>,
}

impl Filter {
    fn limit(&self, usual: usize) -> usize {
        self.limit.unwrap_or(usual).min(MOST)
    }

    /// Whether an answer of `given` entries is shorter than the request asked for because of [`MOST`].
    fn cut(&self, given: usize) -> bool {
        given >= MOST && self.limit.is_some_and(|limit| limit > MOST)
    }

    fn trace_id(&self) -> Result<Option<TraceId>, Error> {
        self.trace_id.as_deref().map(parse_trace_id).transpose()
    }
}

/// Reads a trace id of 32 hex digits.
pub(super) fn parse_trace_id(text: &str) -> Result<TraceId, Error> {
    TraceId::from_hex(text).ok_or_else(|| Error::Query("a trace id has 32 hex digits".to_owned()))
}

fn filter(query: Result<Query<Filter>, QueryRejection>) -> Result<Filter, Error> {
    match query {
        Ok(Query(filter)) => Ok(filter),
        Err(rejection) => Err(Error::Query(rejection.body_text())),
    }
}

pub(super) async fn targets(extract::State(state): Shared) -> Json<Value> {
    Json(json!({ "targets": (state.targets)() }))
}

pub(super) async fn services(extract::State(state): Shared) -> Json<Value> {
    Json(json!({ "services": state.telemetry.service_summaries() }))
}

pub(super) async fn runtime(extract::State(state): Shared) -> Json<Value> {
    Json(json!({ "runtime": state.telemetry.runtime_summaries() }))
}

pub(super) async fn counters(extract::State(state): Shared) -> Json<Value> {
    Json(json!({ "counters": (state.counters)() }))
}

pub(super) async fn traces(
    extract::State(state): Shared,
    query: Result<Query<Filter>, QueryRejection>,
) -> Answer {
    let filter = filter(query)?;
    let traces = state.recent.traces(&TraceQuery {
        limit: filter.limit(20),
        service: filter.service.clone(),
        min_spans: filter.min_spans.unwrap_or(0),
    });
    let cut = filter.cut(traces.len());
    Ok(Json(json!({ "traces": traces, "truncated": cut })))
}

pub(super) async fn trace(extract::State(state): Shared, Path(id): Path<String>) -> Answer {
    let id = TraceId::from_hex(&id).ok_or(Error::NoSuchTrace)?;
    let Trace { spans, logs } = state.recent.trace(id).ok_or(Error::NoSuchTrace)?;
    let spans: Vec<SpanBody> = spans.iter().map(|span| SpanBody::new(span)).collect();
    let logs: Vec<LogBody<'_>> = logs.iter().map(|record| LogBody::new(record)).collect();
    Ok(Json(
        json!({ "trace_id": id, "spans": spans, "logs": logs }),
    ))
}

pub(super) async fn spans(
    extract::State(state): Shared,
    query: Result<Query<Filter>, QueryRejection>,
) -> Answer {
    let filter = filter(query)?;
    let spans = state.recent.spans(&SpanQuery {
        limit: filter.limit(USUAL),
        service: filter.service.clone(),
    });
    let spans: Vec<SpanBody> = spans.iter().map(|span| SpanBody::new(span)).collect();
    let cut = filter.cut(spans.len());
    Ok(Json(json!({ "spans": spans, "truncated": cut })))
}

pub(super) async fn logs(
    extract::State(state): Shared,
    query: Result<Query<Filter>, QueryRejection>,
) -> Answer {
    let filter = filter(query)?;
    let logs = state.recent.logs(&LogQuery {
        limit: filter.limit(USUAL),
        trace_id: filter.trace_id()?,
        service: filter.service.clone(),
    });
    let logs: Vec<LogBody<'_>> = logs.iter().map(|record| LogBody::new(record)).collect();
    let cut = filter.cut(logs.len());
    Ok(Json(json!({ "logs": logs, "truncated": cut })))
}

/// A span as the API shows it.
#[derive(Debug, Serialize)]
struct SpanBody {
    trace_id: TraceId,
    span_id: SpanId,
    parent_span_id: Option<SpanId>,
    name: String,
    kind: SpanKind,
    service: String,
    start_unix_nano: UnixNanos,
    end_unix_nano: UnixNanos,
    duration_seconds: f64,
    error_type: Option<String>,
    attributes: Map<String, Value>,
    resource: Map<String, Value>,
}

impl SpanBody {
    fn new(span: &Span) -> Self {
        let attributes = span.attribute_list().into_iter();
        let resource = span.resource.attributes().into_iter();
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_span_id: span.parent_span_id,
            name: span.name(),
            kind: span.kind,
            service: span.resource.service_name.clone(),
            start_unix_nano: span.start,
            end_unix_nano: span.end,
            duration_seconds: span.duration_ns() as f64 / 1e9,
            error_type: span.error_type(),
            attributes: attributes
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect(),
            resource: resource
                .map(|(name, value)| (name.into_owned(), json!(value)))
                .collect(),
        }
    }
}

/// A log line as the API shows it.
#[derive(Debug, Serialize)]
struct LogBody<'a> {
    time_unix_nano: UnixNanos,
    line: &'a str,
    level: Option<Level>,
    stream: Stream,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    service: &'a str,
    goid: u64,
    pid: u32,
}

impl<'a> LogBody<'a> {
    fn new(record: &'a LogRecord) -> Self {
        Self {
            time_unix_nano: record.time,
            line: &record.line,
            level: record.level,
            stream: record.stream,
            trace_id: record.span.map(|(trace_id, _)| trace_id),
            span_id: record.span.map(|(_, span_id)| span_id),
            service: &record.resource.service_name,
            goid: record.goid,
            pid: record.resource.pid,
        }
    }
}
