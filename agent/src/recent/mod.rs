//! The last spans, log lines and garbage collection cycles in bounded memory.

mod gc;
mod query;
mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use gc::{GcTimeline, TimelineCycle};
pub use query::{LogQuery, SpanQuery, Trace, TraceQuery, TraceSummary};

use self::{
    gc::GcTimelines,
    store::{Entry, Store},
};
use crate::{
    clock::UnixNanos,
    config,
    correlate::{Span, TraceId},
    identity::Resource,
    logs::LogRecord,
    runtime::gc::GcCycle,
};

/// The last spans, log lines and GC cycles of all targets.
///
/// Invariant: the spans and lines it holds are never larger than configured, and the oldest entry goes first.
#[derive(Debug)]
pub struct Recent {
    store: Mutex<Store>,
    gc: GcTimelines,
}

impl Recent {
    /// An empty store with the limits of `config`.
    #[must_use]
    pub fn new(config: &config::Recent) -> Self {
        Self {
            store: Mutex::new(Store::new(bytes(config), config.keep.0)),
            gc: GcTimelines::default(),
        }
    }

    /// Changes the limits; what they have no room for goes, the oldest first.
    pub fn limit(&self, config: &config::Recent) {
        let (bytes, keep) = (bytes(config), config.keep.0);
        self.lock().limit(bytes, keep, UnixNanos::now());
    }

    /// Keeps a span.
    pub fn span(&self, span: Arc<Span>) {
        self.lock().push(Entry::Span(span), UnixNanos::now());
    }

    /// Keeps a log line.
    pub fn log(&self, record: Arc<LogRecord>) {
        self.lock().push(Entry::Log(record), UnixNanos::now());
    }

    /// Keeps a GC cycle that the probe saw.
    pub fn gc_cycle(&self, resource: &Arc<Resource>, cycle: GcCycle, start: Option<UnixNanos>) {
        self.gc.of(resource).observed(cycle, start);
    }

    /// The GC cycles of a process; whoever holds them keeps them here.
    #[must_use]
    pub fn gc_timeline(&self, resource: &Arc<Resource>) -> Arc<GcTimeline> {
        self.gc.of(resource)
    }

    /// The GC cycles of every process, by process id.
    #[must_use]
    pub fn gc_timelines(&self) -> Vec<Arc<GcTimeline>> {
        self.gc.all()
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

fn bytes(config: &config::Recent) -> usize {
    usize::try_from(config.memory.0).unwrap_or(usize::MAX)
}
