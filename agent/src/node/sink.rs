//! Where the correlator's signals go: metrics first, then the fan-out.

use std::sync::Arc;

use agent_ebpf::event::gc::GcStopEvent;

use crate::{
    correlate::{Sink, Span},
    export::Fanout,
    identity::Resource,
    logs::LogRecord,
    telemetry::Telemetry,
};

/// Counts every request, sampled or not, and passes spans and lines on. Never blocks.
pub(super) struct NodeSink {
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) fanout: Fanout,
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

    fn gc_stop(&self, resource: &Arc<Resource>, stop: &GcStopEvent) {
        let _ = (resource, stop);
        self.telemetry.own().events("gc", 1);
    }
}
