//! The last spans and log lines in bounded memory.

mod query;
mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use query::{LogQuery, SpanQuery, Trace, TraceQuery, TraceSummary};

use self::store::{Entry, Store};
use crate::{
    clock::UnixNanos,
    config,
    correlate::{Span, TraceId},
    logs::LogRecord,
};

/// The last spans and log lines of all targets.
///
/// Invariant: what it holds is never larger than configured, and the oldest entry goes first.
#[derive(Debug)]
pub struct Recent {
    store: Mutex<Store>,
}

impl Recent {
    /// An empty store with the limits of `config`.
    #[must_use]
    pub fn new(config: &config::Recent) -> Self {
        let bytes = usize::try_from(config.memory.0).unwrap_or(usize::MAX);
        Self {
            store: Mutex::new(Store::new(bytes, config.keep.0)),
        }
    }

    /// Keeps a span.
    pub fn span(&self, span: Arc<Span>) {
        self.lock().push(Entry::Span(span), UnixNanos::now());
    }

    /// Keeps a log line.
    pub fn log(&self, record: Arc<LogRecord>) {
        self.lock().push(Entry::Log(record), UnixNanos::now());
    }

    /// Spans, newest first.
    #[must_use]
    pub fn spans(&self, query: &SpanQuery) -> Vec<Arc<Span>> {
        query::spans(&self.fresh(), query)
    }

    /// Log lines, newest first.
    #[must_use]
    pub fn logs(&self, query: &LogQuery) -> Vec<Arc<LogRecord>> {
        query::logs(&self.fresh(), query)
    }

    /// Traces, newest first.
    #[must_use]
    pub fn traces(&self, query: &TraceQuery) -> Vec<TraceSummary> {
        query::traces(&self.fresh(), query)
    }

    /// Spans and log lines of one trace; `None` when nothing of it is held.
    #[must_use]
    pub fn trace(&self, id: TraceId) -> Option<Trace> {
        query::trace(&self.fresh(), id)
    }

    fn fresh(&self) -> MutexGuard<'_, Store> {
        let mut store = self.lock();
        store.forget_old(UnixNanos::now());
        store
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
