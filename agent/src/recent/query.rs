//! What the API asks of the store.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use super::store::{Entry, Store};
use crate::{
    clock::UnixNanos,
    correlate::{Span, TraceId},
    identity::Resource,
    logs::LogRecord,
};

/// Which spans are wanted.
#[derive(Clone, Debug, Default)]
pub struct SpanQuery {
    /// At most this many.
    pub limit: usize,
    /// Only of this service.
    pub service: Option<String>,
}

/// Which log lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// At most this many.
    pub limit: usize,
    /// Only of this service.
    pub service: Option<String>,
    /// Only of this trace.
    pub trace_id: Option<TraceId>,
}

/// Which traces are wanted.
#[derive(Clone, Debug, Default)]
pub struct TraceQuery {
    /// At most this many.
    pub limit: usize,
    /// Only those with a span of this service.
    pub service: Option<String>,
    /// Only those with at least this many spans.
    pub min_spans: usize,
}

/// One trace, as far as its spans are held.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TraceSummary {
    /// Its id.
    pub trace_id: TraceId,
    /// Name of the first span whose parent is not held.
    pub root: String,
    /// Service of that span.
    pub service: String,
    /// First start.
    pub start_unix_nano: UnixNanos,
    /// From the first start to the last end.
    pub duration_seconds: f64,
    /// Spans held.
    pub spans: usize,
    /// Services that took part, sorted.
    pub services: Vec<String>,
    /// Spans that failed.
    pub errors: usize,
    /// Log lines held.
    pub logs: usize,
}

pub(super) fn spans(store: &Store, query: &SpanQuery) -> Vec<Arc<Span>> {
    store
        .newest_first()
        .filter_map(as_span)
        .filter(|span| is_of(&span.resource, query.service.as_deref()))
        .take(query.limit)
        .map(Arc::clone)
        .collect()
}

pub(super) fn logs(store: &Store, query: &LogQuery) -> Vec<Arc<LogRecord>> {
    let of_trace = |record: &LogRecord| match query.trace_id {
        Some(wanted) => record.span.is_some_and(|(trace_id, _)| trace_id == wanted),
        None => true,
    };
    store
        .newest_first()
        .filter_map(as_log)
        .filter(|record| is_of(&record.resource, query.service.as_deref()) && of_trace(record))
        .take(query.limit)
        .map(Arc::clone)
        .collect()
}

/// Traces ordered by their newest span.
pub(super) fn traces(store: &Store, query: &TraceQuery) -> Vec<TraceSummary> {
    let mut seen = HashSet::new();
    store
        .newest_first()
        .filter_map(as_span)
        .filter(|span| seen.insert(span.trace_id))
        // A summary is built only for what is shown: the store is locked meanwhile.
        .filter(|span| is_wanted(store, span.trace_id, query))
        .filter_map(|span| summary(store, span.trace_id))
        .take(query.limit)
        .collect()
}

fn is_wanted(store: &Store, id: TraceId, query: &TraceQuery) -> bool {
    let spans = || store.of_trace(id).filter_map(as_span);
    let service = query.service.as_deref();
    spans().count() >= query.min_spans && spans().any(|span| is_of(&span.resource, service))
}

/// What is held of one trace.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Spans by start.
    pub spans: Vec<Arc<Span>>,
    /// Log lines by time.
    pub logs: Vec<Arc<LogRecord>>,
}

pub(super) fn trace(store: &Store, id: TraceId) -> Option<Trace> {
    let of = || store.of_trace(id);
    let mut spans: Vec<_> = of().filter_map(as_span).map(Arc::clone).collect();
    let mut logs: Vec<_> = of().filter_map(as_log).map(Arc::clone).collect();
    if spans.is_empty() && logs.is_empty() {
        return None;
    }
    // A caller that starts in the same nanosecond as its callee ends later.
    spans.sort_by_key(|span| (span.start, Reverse(span.end)));
    logs.sort_by_key(|record| record.time);
    Some(Trace { spans, logs })
}

fn summary(store: &Store, id: TraceId) -> Option<TraceSummary> {
    let Trace { spans, logs } = trace(store, id)?;
    let first = spans.first()?;
    let ids: HashSet<_> = spans.iter().map(|span| span.span_id).collect();
    let parent_is_held = |span: &Span| span.parent_span_id.is_some_and(|id| ids.contains(&id));
    let root = spans
        .iter()
        .find(|span| !parent_is_held(span))
        .unwrap_or(first);
    let end = spans.iter().map(|span| span.end).max()?;
    let services: BTreeSet<&str> = spans
        .iter()
        .map(|span| span.resource.service_name.as_str())
        .collect();
    Some(TraceSummary {
        trace_id: id,
        root: root.name(),
        service: root.resource.service_name.clone(),
        start_unix_nano: first.start,
        duration_seconds: end.0.saturating_sub(first.start.0) as f64 / 1e9,
        spans: spans.len(),
        services: services.into_iter().map(str::to_owned).collect(),
        errors: spans
            .iter()
            .filter(|span| span.error_type().is_some())
            .count(),
        logs: logs.len(),
    })
}

fn as_span(entry: &Entry) -> Option<&Arc<Span>> {
    match entry {
        Entry::Span(span) => Some(span),
        Entry::Log(_) => None,
    }
}

fn as_log(entry: &Entry) -> Option<&Arc<LogRecord>> {
    match entry {
        Entry::Log(record) => Some(record),
        Entry::Span(_) => None,
    }
}

fn is_of(resource: &Resource, service: Option<&str>) -> bool {
    service.is_none_or(|wanted| resource.service_name == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config, correlate::SpanId, recent::Recent, telemetry::testing};

    /// Trace 1: `front` calls `shop`, which logs twice and fails. Trace 2: `shop` alone.
    fn store() -> Recent {
        let recent = Recent::new(&config::Recent::default());
        // The clocks of a trace that crosses nodes may disagree: the inner span starts first.
        let mut inner = testing::http_span("shop", Some("/items/{id}"), 500);
        inner.trace_id = TraceId([1; 16]);
        inner.span_id = SpanId([2; 8]);
        inner.parent_span_id = Some(testing::http_span("front", None, 200).span_id);
        inner.start = UnixNanos(testing::NOON - 1_000);
        let mut outer = testing::http_span("front", Some("/"), 200);
        outer.trace_id = TraceId([1; 16]);
        outer.end = UnixNanos(testing::NOON + 5_000_000);
        let mut alone = testing::http_span("shop", None, 200);
        alone.trace_id = TraceId([2; 16]);
        for line in ["one", "two"] {
            let mut record = testing::log("shop", line, false);
            record.span = Some((TraceId([1; 16]), SpanId([1; 8])));
            recent.log(Arc::new(record));
        }
        recent.log(Arc::new(testing::log("shop", "background", false)));
        for span in [inner, outer, alone] {
            recent.span(Arc::new(span));
        }
        recent
    }

    #[test]
    fn a_trace_is_summed_over_services() {
        let query = TraceQuery {
            limit: 10,
            ..TraceQuery::default()
        };
        let traces = store().traces(&query);
        let ids: Vec<_> = traces.iter().map(|trace| trace.trace_id.0[0]).collect();
        assert_eq!(ids, [2, 1]);
        let joined = &traces[1];
        assert_eq!(
            (joined.root.as_str(), joined.service.as_str()),
            ("GET /", "front")
        );
        assert_eq!(joined.services, ["front", "shop"]);
        assert_eq!((joined.spans, joined.errors, joined.logs), (2, 1, 2));
        assert!((joined.duration_seconds - 0.005_001).abs() < 1e-9);
    }

    #[test]
    fn traces_are_filtered() {
        let find = |service: Option<&str>, min_spans| {
            let query = TraceQuery {
                limit: 10,
                service: service.map(str::to_owned),
                min_spans,
            };
            store().traces(&query).len()
        };
        assert_eq!(find(None, 2), 1);
        assert_eq!(find(Some("front"), 0), 1);
        assert_eq!(find(Some("shop"), 0), 2);
        assert_eq!(find(Some("nobody"), 0), 0);
    }

    #[test]
    fn logs_are_found_by_trace_and_newest_first() {
        let recent = store();
        let logs = recent.logs(&LogQuery {
            limit: 10,
            trace_id: Some(TraceId([1; 16])),
            ..LogQuery::default()
        });
        let lines: Vec<_> = logs.iter().map(|record| record.line.as_str()).collect();
        assert_eq!(lines, ["two", "one"]);
        let query = LogQuery {
            limit: 1,
            ..LogQuery::default()
        };
        assert_eq!(recent.logs(&query)[0].line, "background");
        assert!(recent.trace(TraceId([9; 16])).is_none());
    }
}
