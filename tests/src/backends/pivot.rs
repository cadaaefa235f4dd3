//! The pivot: one trace id, found as an exemplar, in a log line and as a trace.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Result;
use serde::Serialize;

use super::{Loki, Prometheus, Tempo, wait_for};

/// What the three back ends said about one trace.
#[derive(Clone, Debug, Serialize)]
pub struct Pivot {
    /// The id all three know.
    pub trace_id: String,
    /// Prometheus: the exemplar.
    pub exemplar: Found,
    /// Loki: log lines of the trace.
    pub logs: Found,
    /// Tempo: spans of the trace.
    pub trace: Found,
}

/// One query and the answer in short.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// As one would type it.
    pub query: String,
    /// As one would open it.
    pub url: String,
    /// One line for each thing found.
    pub answer: Vec<String>,
}

/// Waits until the exemplars of a service name a trace that Loki and Tempo know too.
///
/// # Errors
/// When a back end refuses a query or the time passes.
pub fn find(
    service: &str,
    prometheus: &Prometheus,
    loki: &Loki,
    tempo: &Tempo,
    within: Duration,
) -> Result<Pivot> {
    let selector =
        format!("http_server_request_duration_seconds_bucket{{service_name=\"{service}\"}}");
    wait_for("one trace id in all three back ends", within, || {
        let mut seen = BTreeSet::new();
        for exemplar in prometheus.exemplars(&selector)?.iter().rev() {
            let Some(trace_id) = exemplar.labels.get("trace_id") else {
                continue;
            };
            if !seen.insert(trace_id.clone()) {
                continue;
            }
            let query = log_query(trace_id);
            let lines = loki.lines(&query)?;
            let spans = tempo.trace(trace_id)?;
            if lines.is_empty() || spans.is_empty() {
                continue;
            }
            return Ok(Some(Pivot {
                trace_id: trace_id.clone(),
                exemplar: Found {
                    url: prometheus.exemplars_url(&selector)?,
                    query: format!("query_exemplars {selector}"),
                    answer: vec![format!("{} s, {}", exemplar.value, pairs(&exemplar.labels))],
                },
                logs: Found {
                    url: loki.url(&query)?,
                    answer: lines
                        .iter()
                        .map(|line| {
                            format!("{}: {}", label(&line.labels, "service_name"), line.text)
                        })
                        .collect(),
                    query,
                },
                trace: Found {
                    query: format!("GET /api/traces/{trace_id}"),
                    url: tempo.url(trace_id),
                    answer: spans
                        .iter()
                        .map(|span| format!("{}: {} ({})", span.service, span.name, span.span_id))
                        .collect(),
                },
            }));
        }
        Ok(None)
    })
}

/// Lines of one trace, by structured metadata and not by their text.
#[must_use]
pub fn log_query(trace_id: &str) -> String {
    format!("{{service_name=~\".+\"}} | trace_id=\"{trace_id}\"")
}

fn label<'a>(labels: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    labels.get(name).map_or("", String::as_str)
}

fn pairs(labels: &BTreeMap<String, String>) -> String {
    labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}
