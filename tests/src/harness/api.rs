//! The agent's HTTP API as its users see it: only the fields tests compare.

use std::collections::BTreeMap;

use super::registry::ListenerRow;
use serde::Deserialize;
use serde_json::Value;

/// A row of `/api/v1/targets`.
#[derive(Clone, Debug, Deserialize)]
pub struct TargetRow {
    /// Process id.
    pub pid: u32,
    /// Service, empty when refused.
    pub service: String,
    /// `attached`, `partial`, `refused` or `resolving`.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// `go1.26.8`.
    pub go_version: String,
    /// `symtab` or `pclntab`.
    pub symbol_source: String,
    /// Attached probes.
    pub probes: Vec<ProbeRow>,
    /// The last window of each probe that comes and goes.
    pub windows: Vec<WindowRow>,
}

/// A window in which a hot probe was attached.
#[derive(Clone, Debug, Deserialize)]
pub struct WindowRow {
    /// Subject.
    pub feature: String,
    /// How long it was open.
    pub seconds: f64,
    /// Hits.
    pub hits: u64,
    /// It closed early.
    pub over_budget: bool,
}

/// One probe of a target.
#[derive(Clone, Debug, Deserialize)]
pub struct ProbeRow {
    /// Subject.
    pub feature: String,
    /// Go function.
    pub function: String,
    /// Virtual address in the file.
    pub address: u64,
    /// Instruction it sits on.
    pub instruction: String,
    /// Hits.
    pub hits: u64,
}

/// `/api/v1/config`.
#[derive(Clone, Debug, Deserialize)]
pub struct ConfigRow {
    /// Where documents are served.
    pub listeners: Vec<ListenerRow>,
    /// By name.
    pub documents: Vec<DocumentRow>,
    /// What happened, the newest last.
    pub events: Vec<Value>,
}

/// A document of `/api/v1/config`.
#[derive(Clone, Debug, Deserialize)]
pub struct DocumentRow {
    /// Namespace and name.
    pub document: String,
    /// The generation in force.
    pub generation: Option<u64>,
    /// Whether the last change was taken.
    pub last_change_ok: bool,
    /// Changes that were refused, by step.
    pub refused: BTreeMap<String, u64>,
}

/// A row of `/api/v1/services`.
#[derive(Clone, Debug, Deserialize)]
pub struct ServiceRow {
    /// Service.
    pub service: String,
    /// Process id.
    pub pid: u32,
    /// `http` or `grpc`.
    pub protocol: String,
    /// Method.
    pub method: String,
    /// Route, where the Go version has one.
    pub route: Option<String>,
    /// Requests since start.
    pub requests: u64,
    /// Errors since start.
    pub errors: u64,
}

/// A row of `/api/v1/runtime`.
#[derive(Clone, Debug, Deserialize)]
pub struct RuntimeRow {
    /// Service.
    pub service: String,
    /// Process id.
    pub pid: u32,
    /// Goroutines.
    pub goroutines: u64,
    /// Cycles.
    pub gc_cycles: u64,
    /// Sum of all pauses in seconds.
    pub gc_pause_total_seconds: f64,
    /// Pauses that could not be read.
    pub gc_pauses_lost: u64,
    /// Up to 256 pauses in ns, newest last.
    pub last_pauses_ns: Vec<u64>,
}

/// A span.
#[derive(Clone, Debug, Deserialize)]
pub struct SpanRow {
    /// Trace.
    pub trace_id: String,
    /// Span.
    pub span_id: String,
    /// The caller's span.
    pub parent_span_id: Option<String>,
    /// Service.
    pub service: String,
    /// Start, ns since 1970.
    #[serde(deserialize_with = "nanos")]
    pub start_unix_nano: u64,
    /// End, ns since 1970.
    #[serde(deserialize_with = "nanos")]
    pub end_unix_nano: u64,
    /// Span attributes.
    pub attributes: BTreeMap<String, Value>,
    /// Resource attributes.
    pub resource: BTreeMap<String, Value>,
}

impl SpanRow {
    /// An attribute as text.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.attributes.get(name).map(text)
    }

    /// An attribute of the resource as text.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<String> {
        self.resource.get(name).map(text)
    }
}

/// A log line.
#[derive(Clone, Debug, Deserialize)]
pub struct LogRow {
    /// The line.
    pub line: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// Trace it belongs to.
    pub trace_id: Option<String>,
    /// Span it belongs to.
    pub span_id: Option<String>,
    /// Service.
    pub service: String,
    /// Process id.
    pub pid: u32,
}

/// Numbers stay numbers and texts lose their quotes.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Nanoseconds as a number, or as text for readers whose numbers end at 2^53.
fn nanos<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(u64),
        Text(String),
    }
    match Form::deserialize(deserializer)? {
        Form::Number(number) => Ok(number),
        Form::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}
