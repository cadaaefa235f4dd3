//! Hands finished spans and log lines to everything that keeps or sends them.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Sender;
use crate::{config, correlate::Span, logs::LogRecord, recent::Recent};

/// Where spans and lines go beside the recent store.
#[derive(Debug, Default)]
pub struct Routes {
    /// Spans.
    pub otlp: Option<Sender<Arc<Span>>>,
    /// Log lines.
    pub loki: Option<Sender<Arc<LogRecord>>>,
    /// Which lines.
    pub mode: config::LogMode,
}

/// The one place that spans and log records pass on their way out.
#[derive(Debug)]
pub struct Fanout {
    recent: Arc<Recent>,
    routes: ArcSwap<Routes>,
}

impl Fanout {
    /// A fan-out to the recent store and to nobody else.
    #[must_use]
    pub fn new(recent: Arc<Recent>) -> Self {
        Self {
            recent,
            routes: ArcSwap::default(),
        }
    }

    /// Sends what comes from now on by these routes; nobody waits for that.
    pub fn route(&self, routes: Routes) {
        self.routes.store(Arc::new(routes));
    }

    /// Keeps and sends a span.
    pub fn span(&self, span: Arc<Span>) {
        if let Some(otlp) = &self.routes.load().otlp {
            otlp.try_send(Arc::clone(&span));
        }
        self.recent.span(span);
    }

    /// Keeps a log line, and sends it when it belongs to a request or all lines are wanted.
    pub fn log(&self, record: Arc<LogRecord>) {
        let routes = self.routes.load();
        let wanted = record.span.is_some() || routes.mode == config::LogMode::All;
        if let Some(loki) = routes.loki.as_ref().filter(|_| wanted) {
            loki.try_send(Arc::clone(&record));
        }
        self.recent.log(record);
    }
}
