//! Where the correlator's signals go: metrics first, then the fan-out.

use std::sync::Arc;

use agent_ebpf::event::gc::GcStopEvent;

use super::readers::GcPace;
use crate::{
    correlate::{Sink, Span},
    export::Fanout,
    identity::Resource,
    logs::LogRecord,
    telemetry::{Telemetry, catalog},
};

/// Counts every request, sampled or not, and passes spans and lines on. Never blocks.
pub(super) struct NodeSink {
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) fanout: Fanout,
    pub(super) pace: GcPace,
}

impl Sink for NodeSink {
    fn span(&self, span: Arc<Span>) {
        self.telemetry.record_span(&span);
        self.fanout.span(span);
    }

    fn log(&self, record: Arc<LogRecord>) {
        self.telemetry.own().log_line(record.span.is_some());
        self.fanout.log(record);
    }

    fn stop_of_world(&self, resource: &Arc<Resource>, stop: &GcStopEvent) {
        self.pace.stopped(resource.pid, stop.cycle);
        // Before Go 1.22 the runtime does not say when the stop began.
        let Some(nanoseconds) = stop.length_ns() else {
            return;
        };
        let attributes = [stop.reason_name()];
        let seconds = nanoseconds as f64 / 1e9;
        self.telemetry
            .observe(resource, &catalog::STOP_DURATION, &attributes, seconds);
    }
}
