//! Turns each event once, into the span, log records, stop of the world or GC cycle that it is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use agent_ebpf::{
    event::{
        EventHeader,
        gc::{GcStopEvent, SpanGc},
        grpc::GrpcServerEvent,
        http::HttpServerEvent,
        log::LogHead,
    },
    target::{IDS_REMOTE_PARENT, SpanIds, TargetRef},
};

use super::{
    Attributes, GcOverlap, GrpcServer, Span, SpanId, SpanKind, TraceId, http,
    pauses::{Finished, Pauses},
};
use crate::{
    clock::{Clock, MonotonicNanos, UnixNanos},
    event::Event,
    identity::Resource,
    logs::{LogRecord, Stream, level_of, write},
    resolve::Writers,
    runtime::gc::{GcCycle, GcNews, Stop},
};

/// What the correlator must know of a target.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who it is.
    pub resource: Arc<Resource>,
    /// Code that matters to who wrote a line, in the process's addresses.
    pub writers: Arc<Writers>,
}

/// Where finished signals go. No call may block.
pub trait Sink {
    /// A request ended.
    fn span(&self, span: Arc<Span>);
    /// A line was written.
    fn log(&self, record: Arc<LogRecord>);
    /// A stop of a target's world is over.
    fn stop_of_world(&self, resource: &Arc<Resource>, stop: &Stop);
    /// A garbage collection cycle of a target is over that started at `start`.
    fn gc_cycle(&self, resource: &Arc<Resource>, cycle: GcCycle, start: Option<UnixNanos>);
}

/// What the correlator saw; every event is in exactly one of the first six.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CorrelatorCounts {
    /// HTTP requests that became a span.
    pub http_spans: u64,
    /// gRPC calls that became a span.
    pub grpc_spans: u64,
    /// Writes that became log records.
    pub log_writes: u64,
    /// Stops of the world.
    pub gc_stops: u64,
    /// Events of a target that is not known (any more).
    pub unknown_target: u64,
    /// Records that could not be decoded.
    pub undecodable: u64,
    /// Log records made of the writes.
    pub log_records: u64,
    /// Of these, records that carry a span.
    pub log_records_correlated: u64,
    /// Requests without a route pattern, though their Go version has patterns.
    pub route_unknown: u64,
}

/// How long an ended target's last events may still arrive.
const LINGER: Duration = Duration::from_secs(10);

/// Knows the live targets and turns their events.
pub struct Correlator<S> {
    clock: Arc<Clock>,
    sink: S,
    targets: RwLock<HashMap<TargetRef, Identity>>,
    ended: Mutex<Vec<(MonotonicNanos, TargetRef)>>,
    pauses: Mutex<Pauses>,
    counts: Mutex<CorrelatorCounts>,
}

impl<S: Sink> Correlator<S> {
    /// A correlator without targets.
    pub fn new(clock: Arc<Clock>, sink: S) -> Self {
        Self {
            clock,
            sink,
            targets: RwLock::default(),
            ended: Mutex::default(),
            pauses: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    /// Makes a target known; do this before its first probe is attached.
    pub fn add(&self, target: TargetRef, identity: Identity) {
        self.targets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(target, identity);
        self.pauses().add(target);
    }

    /// From now on every stop of a target's world has a record.
    pub fn stops_are_probed(&self, target: TargetRef) {
        self.pauses().probed(target, MonotonicNanos::now());
    }

    /// A target has ended. [`Correlator::settle`] forgets it when its last events have had time to arrive.
    pub fn remove(&self, target: TargetRef) {
        self.ended().push((MonotonicNanos::now(), target));
    }

    /// Passes spans on that have waited too long for a stop of the world by `now`, and forgets the targets
    /// that ended long enough before.
    pub fn settle(&self, now: MonotonicNanos) {
        self.forget_ended(now);
        let spans = self.pauses().overdue(now);
        self.pass_on(spans);
    }

    fn forget_ended(&self, now: MonotonicNanos) {
        let linger = u64::try_from(LINGER.as_nanos()).unwrap_or(u64::MAX);
        let is_over = |since: MonotonicNanos| since.0.saturating_add(linger) < now.0;
        let gone: Vec<_> = self
            .ended()
            .extract_if(.., |(since, _)| is_over(*since))
            .collect();
        for (_, target) in gone {
            let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
            targets.remove(&target);
            drop(targets);
            let spans = self.pauses().forget(target);
            self.pass_on(spans);
        }
    }

    /// What has been seen so far.
    #[must_use]
    pub fn counts(&self) -> CorrelatorCounts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns one record of the event ring.
    pub fn handle(&self, record: &[u8]) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let event = match Event::decode(record) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(%error, "event ring holds a record that cannot be read");
                counts.undecodable += 1;
                return;
            }
        };
        let targets = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        let Some(identity) = targets.get(&event.header().target) else {
            counts.unknown_target += 1;
            return;
        };
        match event {
            Event::HttpServer(event) => {
                counts.http_spans += 1;
                counts.route_unknown += u64::from(event.pattern_length == 0);
                let span = self.http_span(identity, event);
                self.finish(identity, span, &event.header, event.start_ns, event.gc);
            }
            Event::GrpcServer(event) => {
                counts.grpc_spans += 1;
                let span = self.grpc_span(identity, event);
                self.finish(identity, span, &event.header, event.start_ns, event.gc);
            }
            Event::GcStop(event) => {
                counts.gc_stops += 1;
                self.stop_of_world(identity, event);
            }
            Event::Log(head, data) => {
                counts.log_writes += 1;
                for record in self.log_records(identity, head, data) {
                    counts.log_records += 1;
                    counts.log_records_correlated += u64::from(record.span.is_some());
                    self.sink.log(Arc::new(record));
                }
            }
        }
    }

    /// Hands a span on as soon as the stops of the world that it met are known.
    fn finish(
        &self,
        identity: &Identity,
        span: Span,
        end: &EventHeader,
        start_ns: u64,
        gc: SpanGc,
    ) {
        let finished = Finished {
            span,
            start: MonotonicNanos(start_ns),
            end: MonotonicNanos(end.time_ns),
            gc,
        };
        let (stop, spans) = self.pauses().span(end.target, finished);
        if let Some(stop) = stop {
            self.sink.stop_of_world(&identity.resource, &stop);
        }
        self.pass_on(spans);
    }

    fn stop_of_world(&self, identity: &Identity, event: &GcStopEvent) {
        let (news, spans) = self.pauses().stop(event.header.target, event);
        for one in news {
            match one {
                GcNews::Stop(stop) => self.sink.stop_of_world(&identity.resource, &stop),
                GcNews::Cycle(cycle) => {
                    let phases = cycle.observed.as_ref().and_then(|observed| observed.phases);
                    let start = phases.map(|phases| self.clock.to_unix(phases.sweep_termination));
                    self.sink.gc_cycle(&identity.resource, *cycle, start);
                }
            }
        }
        self.pass_on(spans);
    }

    fn pass_on(&self, spans: Vec<Span>) {
        for span in spans {
            self.sink.span(Arc::new(span));
        }
    }

    fn ended(&self) -> MutexGuard<'_, Vec<(MonotonicNanos, TargetRef)>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn http_span(&self, identity: &Identity, event: &HttpServerEvent) -> Span {
        let attributes = Attributes::HttpServer(http::attributes(event));
        self.span(
            identity,
            &event.header,
            &event.ids,
            event.start_ns,
            attributes,
        )
    }

    fn grpc_span(&self, identity: &Identity, event: &GrpcServerEvent) -> Span {
        let captured = event.method.len().min(event.method_length as usize);
        let method = String::from_utf8_lossy(event.method.get(..captured).unwrap_or_default());
        let attributes = Attributes::GrpcServer(GrpcServer {
            method: method.trim_start_matches('/').to_owned(),
            status_code: event.status,
        });
        self.span(
            identity,
            &event.header,
            &event.ids,
            event.start_ns,
            attributes,
        )
    }

    fn span(
        &self,
        identity: &Identity,
        end: &EventHeader,
        ids: &SpanIds,
        start_ns: u64,
        attributes: Attributes,
    ) -> Span {
        let start = self.clock.to_unix(MonotonicNanos(start_ns));
        let parent = SpanId(ids.parent_span_id);
        Span {
            resource: Arc::clone(&identity.resource),
            trace_id: TraceId(ids.trace_id),
            span_id: SpanId(ids.span_id),
            parent_span_id: (!parent.is_zero()).then_some(parent),
            parent_is_remote: ids.flags & IDS_REMOTE_PARENT != 0,
            kind: SpanKind::Server,
            start,
            // The length comes from the monotonic clock, whatever the wall clock did meanwhile.
            end: UnixNanos(start.0.saturating_add(end.time_ns.saturating_sub(start_ns))),
            goid: end.goid,
            gc: GcOverlap::Unknown,
            attributes,
        }
    }

    fn log_records(&self, identity: &Identity, head: &LogHead, data: &[u8]) -> Vec<LogRecord> {
        let stored = identity.writers.stored(&head.callers);
        let records = write::split(data, head.length as usize, stored);
        let trace = TraceId(head.ids.trace_id);
        let span = (records.own && !trace.is_zero()).then_some((trace, SpanId(head.ids.span_id)));
        let last = records.lines.len().saturating_sub(1);
        records
            .lines
            .iter()
            .enumerate()
            .map(|(index, line)| {
                let line = String::from_utf8_lossy(line).into_owned();
                LogRecord {
                    resource: Arc::clone(&identity.resource),
                    time: self.clock.to_unix(MonotonicNanos(head.header.time_ns)),
                    level: level_of(&line),
                    line,
                    truncated: records.truncated && index == last,
                    stream: if head.fd == 2 {
                        Stream::Stderr
                    } else {
                        Stream::Stdout
                    },
                    goid: head.header.goid,
                    span,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::testing;

    struct Nowhere;

    impl Sink for Nowhere {
        fn span(&self, _: Arc<Span>) {}
        fn log(&self, _: Arc<LogRecord>) {}
        fn stop_of_world(&self, _: &Arc<Resource>, _: &Stop) {}
        fn gc_cycle(&self, _: &Arc<Resource>, _: GcCycle, _: Option<UnixNanos>) {}
    }

    #[test]
    fn an_ended_target_is_forgotten_when_its_last_events_have_had_time() {
        let correlator = Correlator::new(Arc::new(Clock::new()), Nowhere);
        let target = TargetRef {
            slot: 1,
            generation: 1,
        };
        let identity = Identity {
            resource: testing::resource("shop"),
            writers: Arc::default(),
        };
        correlator.add(target, identity);
        let ended = MonotonicNanos::now();
        correlator.remove(target);
        let is_known = || {
            correlator
                .targets
                .read()
                .expect("no panic")
                .contains_key(&target)
        };
        correlator.settle(ended);
        assert!(is_known(), "events may still come");
        correlator.settle(MonotonicNanos(u64::MAX));
        assert!(!is_known());
        assert!(correlator.ended().is_empty());
        assert!(correlator.pauses().forget(target).is_empty());
    }
}
