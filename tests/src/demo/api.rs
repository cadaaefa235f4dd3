//! What the agent's API answers, as far as the demo shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `/api/v1/targets`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Targets {
    pub(super) targets: Vec<Target>,
}

/// One process.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Target {
    pub(super) pid: u32,
    pub(super) service: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) go_version: String,
    pub(super) build_id: String,
    pub(super) symbol_source: String,
    pub(super) layout_source: String,
    pub(super) probes: Vec<Probe>,
    pub(super) unresolved: Vec<Value>,
}

impl Target {
    /// Whether golens is done with it and has attached something.
    pub(super) fn has_probes(&self) -> bool {
        matches!(self.state.as_str(), "attached" | "partial") && !self.probes.is_empty()
    }
}

/// One attached probe.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Probe {
    pub(super) feature: String,
    pub(super) function: String,
    pub(super) address: u64,
    pub(super) instruction: String,
    pub(super) hits: u64,
}

/// `/api/v1/services`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ServiceRows {
    pub(super) services: Vec<ServiceRow>,
}

/// One route of one service.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct ServiceRow {
    pub(super) service: String,
    pub(super) protocol: String,
    #[serde(default)]
    pub(super) method: String,
    #[serde(default)]
    pub(super) route: String,
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) requests_per_second: f64,
    pub(super) p50_seconds: Option<f64>,
    pub(super) p99_seconds: Option<f64>,
}

/// `/api/v1/runtime`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RuntimeRows {
    pub(super) runtime: Vec<RuntimeRow>,
}

/// The Go runtime of one process.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct RuntimeRow {
    pub(super) service: String,
    pub(super) goroutines: Option<u64>,
    pub(super) gc_cycles: Option<u64>,
    pub(super) gc_pause_total_seconds: Option<f64>,
    #[serde(default)]
    pub(super) last_pauses_ns: Vec<u64>,
    pub(super) heap_live_bytes: Option<u64>,
    pub(super) heap_goal_bytes: Option<u64>,
    pub(super) gomaxprocs: Option<u64>,
}

/// `/api/v1/traces`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Traces {
    pub(super) traces: Vec<TraceSummary>,
}

/// One trace in short.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TraceSummary {
    pub(super) trace_id: String,
    pub(super) duration_seconds: f64,
    pub(super) spans: u64,
    pub(super) errors: u64,
    pub(super) logs: u64,
}

/// `/api/v1/traces/{trace_id}`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Trace {
    pub(super) trace_id: String,
    pub(super) spans: Vec<Span>,
    pub(super) logs: Vec<Log>,
}

/// `/api/v1/spans`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Spans {
    pub(super) spans: Vec<Span>,
}

/// One span.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Span {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    pub(super) parent_span_id: Option<String>,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) service: String,
    pub(super) start_unix_nano: Nanos,
    pub(super) end_unix_nano: Nanos,
    pub(super) error_type: Option<String>,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, Value>,
}

/// One log line.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Log {
    pub(super) time_unix_nano: Nanos,
    pub(super) line: String,
    pub(super) level: Option<String>,
    pub(super) service: String,
    pub(super) span_id: Option<String>,
}

/// Nanoseconds since 1970, written as a number or, as JavaScript needs it, as a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Nanos(pub(super) u64);

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(u64),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(nanos) => Ok(Self(nanos)),
            Raw::Text(text) => text.parse().map(Self).map_err(serde::de::Error::custom),
        }
    }
}
