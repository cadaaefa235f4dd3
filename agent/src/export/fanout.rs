//! Hands finished spans and log lines to everything that keeps or sends them.

use std::sync::Arc;

use super::Sender;
use crate::{config, correlate::Span, logs::LogRecord, recent::Recent};

/// The one place that spans and log records pass on their way out.
#[derive(Debug)]
pub struct Fanout {
    recent: Arc<Recent>,
    otlp: Option<Sender<Arc<Span>>>,
    loki: Option<Sender<Arc<LogRecord>>>,
    mode: config::LogMode,
}

impl Fanout {
    /// A fan-out to the recent store and to the exporters that are configured.
    #[must_use]
    pub fn new(
        recent: Arc<Recent>,
        otlp: Option<Sender<Arc<Span>>>,
        loki: Option<Sender<Arc<LogRecord>>>,
        mode: config::LogMode,
    ) -> Self {
        Self {
            recent,
            otlp,
            loki,
            mode,
        }
    }

    /// Keeps and sends a span.
    pub fn span(&self, span: Arc<Span>) {
        if let Some(otlp) = &self.otlp {
            otlp.try_send(Arc::clone(&span));
        }
        self.recent.span(span);
    }

    /// Keeps a log line, and sends it when it belongs to a request or all lines are wanted.
    pub fn log(&self, record: Arc<LogRecord>) {
        let wanted = record.span.is_some() || self.mode == config::LogMode::All;
        if let Some(loki) = self.loki.as_ref().filter(|_| wanted) {
            loki.try_send(Arc::clone(&record));
        }
        self.recent.log(record);
    }
}
