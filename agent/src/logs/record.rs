//! The one log record type of the agent.

use std::sync::Arc;

use crate::{
    clock::UnixNanos,
    correlate::{SpanId, TraceId},
    identity::Resource,
};

/// Severity as the line states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Finest detail.
    Trace,
    /// For developers.
    Debug,
    /// Normal operation.
    Info,
    /// Degraded.
    Warn,
    /// Failed.
    Error,
    /// The process gives up.
    Fatal,
}

impl Level {
    /// The word Loki and Grafana know.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// One line that a target wrote.
#[derive(Clone, Debug)]
pub struct LogRecord {
    /// Who wrote it.
    pub resource: Arc<Resource>,
    /// When it was written, wall clock.
    pub time: UnixNanos,
    /// The line without its newline, bytes that are not UTF-8 replaced.
    pub line: String,
    /// Whether the end of the line is missing.
    pub truncated: bool,
    /// Severity, where the line states one.
    pub level: Option<Level>,
    /// Descriptor.
    pub stream: Stream,
    /// Goroutine that called write; 0 when unknown.
    pub goid: u64,
    /// The span whose goroutine wrote the line; `None` when the line belongs to no request or when
    /// that cannot be known (several records in one write, buffered writers).
    pub span: Option<(TraceId, SpanId)>,
}
