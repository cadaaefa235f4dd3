//! Where the correlator's signals go: metrics first, then the fan-out.

use std::sync::Arc;

use super::readers::GcPace;
use crate::{
    clock::UnixNanos,
    correlate::{Sink, Span},
    export::Fanout,
    identity::Resource,
    logs::LogRecord,
    recent::Recent,
    runtime::gc::{GcCycle, Phases, Stop},
    services::PortUse,
    telemetry::{Telemetry, catalog},
};

/// Counts every request, sampled or not, and passes spans and lines on. Never blocks.
pub(super) struct NodeSink {
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) fanout: Arc<Fanout>,
    pub(super) recent: Arc<Recent>,
    pub(super) pace: GcPace,
    pub(super) ports: Arc<PortUse>,
}

impl Sink for NodeSink {
    fn span(&self, span: Arc<Span>) {
        self.telemetry.record_span(&span);
        self.ports.note(&span);
        self.fanout.span(span);
    }

    fn log(&self, record: Arc<LogRecord>) {
        self.telemetry.own().log_line(record.span.is_some());
        self.fanout.log(record);
    }

    fn stop_of_world(&self, resource: &Arc<Resource>, stop: &Stop) {
        self.pace.stopped(resource.pid, stop.cycle);
        // Before Go 1.22 the runtime does not say when a stop began that is not for a GC cycle.
        let Some(nanoseconds) = stop.length_ns() else {
            return;
        };
        let attributes = [stop.reason.name()];
        let seconds = nanoseconds as f64 / 1e9;
        self.telemetry
            .observe(resource, &catalog::STOP_DURATION, &attributes, seconds);
    }

    fn gc_cycle(&self, resource: &Arc<Resource>, cycle: GcCycle, start: Option<UnixNanos>) {
        let observed = cycle.observed.as_ref();
        if let Some(phases) = observed.and_then(|observed| observed.phases) {
            for (name, nanoseconds) in Phases::NAMES.into_iter().zip(phases.lengths_ns()) {
                let seconds = nanoseconds as f64 / 1e9;
                self.telemetry
                    .observe(resource, &catalog::GC_PHASE_DURATION, &[name], seconds);
            }
        }
        self.recent.gc_cycle(resource, cycle, start);
    }
}
