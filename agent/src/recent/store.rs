//! Entries in the order in which they came, and an index by trace.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    clock::UnixNanos,
    correlate::{Attributes, Span, TraceId},
    logs::LogRecord,
};

/// A span or a log line.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Span(Arc<Span>),
    Log(Arc<LogRecord>),
}

impl Entry {
    /// The trace it belongs to.
    pub(super) fn trace_id(&self) -> Option<TraceId> {
        match self {
            Self::Span(span) => Some(span.trace_id),
            Self::Log(record) => record.span.map(|(trace_id, _)| trace_id),
        }
    }

    /// Memory it takes, roughly: itself, its text, and its places in the queue and the index.
    fn bytes(&self) -> usize {
        const PLACES: usize = 2 * size_of::<Held>() + 64;
        let own = match self {
            Self::Span(span) => size_of::<Span>() + text_bytes(&span.attributes),
            Self::Log(record) => size_of::<LogRecord>() + record.line.capacity(),
        };
        own + PLACES
    }
}

fn text_bytes(attributes: &Attributes) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::capacity);
    match attributes {
        Attributes::HttpServer(http) => {
            http.method.capacity()
                + http.path.capacity()
                + length(&http.method_original)
                + length(&http.route)
                + length(&http.query)
                + length(&http.server_address)
                + length(&http.client_address)
        }
        Attributes::GrpcServer(grpc) => grpc.method.capacity(),
    }
}

/// An entry with what its eviction needs.
#[derive(Debug)]
struct Held {
    entry: Entry,
    bytes: usize,
    taken: UnixNanos,
}

/// Everything that is held.
#[derive(Debug)]
pub(super) struct Store {
    entries: VecDeque<Held>,
    traces: HashMap<TraceId, VecDeque<Entry>>,
    bytes: usize,
    limit: usize,
    keep_ns: u64,
}

impl Store {
    pub(super) fn new(limit: usize, keep: Duration) -> Self {
        Self {
            entries: VecDeque::new(),
            traces: HashMap::new(),
            bytes: 0,
            limit,
            keep_ns: nanoseconds(keep),
        }
    }

    /// Changes the limits and evicts what they have no room for.
    pub(super) fn limit(&mut self, limit: usize, keep: Duration, now: UnixNanos) {
        self.limit = limit;
        self.keep_ns = nanoseconds(keep);
        self.fit();
        self.forget_old(now);
    }

    /// Adds an entry and evicts the oldest ones until everything fits again.
    pub(super) fn push(&mut self, entry: Entry, now: UnixNanos) {
        let bytes = entry.bytes();
        if let Some(trace_id) = entry.trace_id() {
            let of_trace = self.traces.entry(trace_id).or_default();
            of_trace.push_back(entry.clone());
        }
        self.bytes += bytes;
        self.entries.push_back(Held {
            entry,
            bytes,
            taken: now,
        });
        self.fit();
        self.forget_old(now);
    }

    fn fit(&mut self) {
        while self.bytes > self.limit {
            self.evict();
        }
    }

    /// Evicts what is older than the age limit.
    pub(super) fn forget_old(&mut self, now: UnixNanos) {
        let oldest = now.0.saturating_sub(self.keep_ns);
        while self
            .entries
            .front()
            .is_some_and(|held| held.taken.0 < oldest)
        {
            self.evict();
        }
    }

    fn evict(&mut self) {
        let Some(held) = self.entries.pop_front() else {
            // Nothing is held, whatever the sum says.
            self.bytes = 0;
            return;
        };
        self.bytes = self.bytes.saturating_sub(held.bytes);
        let Some(trace_id) = held.entry.trace_id() else {
            return;
        };
        // Both queues have the same order, so the oldest entry is the first of its trace.
        if let Some(of_trace) = self.traces.get_mut(&trace_id) {
            of_trace.pop_front();
            if of_trace.is_empty() {
                self.traces.remove(&trace_id);
            }
        }
    }

    /// Entries, newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev().map(|held| &held.entry)
    }

    /// Entries of one trace, oldest first.
    pub(super) fn of_trace(&self, id: TraceId) -> impl Iterator<Item = &Entry> {
        self.traces.get(&id).into_iter().flatten()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn span(trace: u8) -> Entry {
        let mut span = testing::http_span("shop", Some("/"), 200);
        span.trace_id = TraceId([trace; 16]);
        Entry::Span(Arc::new(span))
    }

    #[test]
    fn the_oldest_go_when_memory_is_full_and_the_index_follows() {
        let one = span(1).bytes();
        let mut store = Store::new(10 * one, HOUR);
        for trace in 0..100 {
            store.push(span(trace), UnixNanos(testing::NOON));
            assert!(store.bytes <= store.limit);
        }
        let held: Vec<_> = store.newest_first().filter_map(Entry::trace_id).collect();
        let expected: Vec<_> = (90..100).rev().map(|trace| TraceId([trace; 16])).collect();
        assert_eq!(held, expected);
        assert_eq!(store.traces.len(), 10);
        assert_eq!(store.of_trace(TraceId([1; 16])).count(), 0);
    }

    #[test]
    fn an_entry_larger_than_the_store_leaves_it_empty() {
        let mut store = Store::new(100, HOUR);
        store.push(span(1), UnixNanos(testing::NOON));
        assert_eq!(
            (store.bytes, store.entries.len(), store.traces.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn smaller_limits_evict_at_once() {
        let mut store = Store::new(1 << 20, HOUR);
        let at = |second: u64| UnixNanos(testing::NOON + second * 1_000_000_000);
        for second in 0..10 {
            store.push(span(1), at(second));
        }
        store.limit(4 * span(1).bytes(), HOUR, at(10));
        assert_eq!(store.of_trace(TraceId([1; 16])).count(), 4);
        store.limit(1 << 20, Duration::from_secs(3), at(10));
        assert_eq!(store.of_trace(TraceId([1; 16])).count(), 3);
    }

    #[test]
    fn entries_age_out() {
        let mut store = Store::new(1 << 20, Duration::from_secs(60));
        let at = |second: u64| UnixNanos(testing::NOON + second * 1_000_000_000);
        store.push(span(1), at(0));
        store.push(span(1), at(30));
        store.forget_old(at(61));
        assert_eq!(store.of_trace(TraceId([1; 16])).count(), 1);
        store.forget_old(at(91));
        assert_eq!((store.bytes, store.traces.len()), (0, 0));
    }
}
