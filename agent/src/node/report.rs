//! What the agent counts of itself, for /api/v1/counters and its own metrics.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use agent_ebpf::counter::Counter;

use super::{NodeSink, target::Table};
use crate::{
    correlate::Correlator,
    doctor::error_chain,
    probe::Kernel,
    resolve::Resolver,
    telemetry::{Telemetry, catalog},
};

/// Every counter of kernel side, correlator and supervisor.
#[derive(Clone)]
pub(super) struct Counters {
    pub(super) kernel: Arc<Kernel>,
    pub(super) correlator: Arc<Correlator<NodeSink>>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) abandoned: Arc<AtomicU64>,
    pub(super) missed_changes: Arc<AtomicU64>,
    pub(super) table: Arc<Table>,
    pub(super) resolver: Arc<Resolver>,
}

/// Kernel-side counters that are losses: a record that should exist does not. Each loss is in one.
const LOSSES: [Counter; 10] = [
    Counter::EventsRingFull,
    Counter::EventsDiscarded,
    Counter::NoGoroutine,
    Counter::OpenMapFull,
    Counter::EndMismatch,
    Counter::ProcessRingFull,
    Counter::LogTruncated,
    Counter::LogsShed,
    Counter::GoroutineSitesFull,
    Counter::GoroutineMarksFull,
];

impl Counters {
    /// All of them, flat, by name.
    pub(super) fn totals(&self) -> BTreeMap<String, u64> {
        let mut all = self.telemetry.own().totals();
        let kernel = self.kernel.counters();
        for (counter, total) in &kernel {
            all.insert(format!("kernel.{}", counter.name()), *total);
        }
        for (program, runs) in self.kernel.program_runs() {
            all.insert(format!("kernel_runs.{program}"), runs);
        }
        let counts = self.correlator.counts();
        let own = [
            ("events.http_spans", counts.http_spans),
            ("events.grpc_spans", counts.grpc_spans),
            ("events.log_writes", counts.log_writes),
            ("events.gc_stops", counts.gc_stops),
            ("events.unknown_target", counts.unknown_target),
            ("events.undecodable", counts.undecodable),
            ("logs.records", counts.log_records),
            ("logs.correlated", counts.log_records_correlated),
            ("http.route_unknown", counts.route_unknown),
            ("spans.abandoned", self.abandoned.load(Ordering::Relaxed)),
            ("spans.open", self.open_spans()),
            (
                "process_changes.missed",
                self.missed_changes.load(Ordering::Relaxed),
            ),
        ];
        all.extend(own.map(|(name, total)| (name.to_owned(), total)));
        for (outcome, total) in self.resolver.outcomes() {
            all.insert(format!("resolver.{outcome}"), total);
        }
        all
    }

    /// Spans that have started and neither ended nor been given up.
    pub(super) fn open_spans(&self) -> u64 {
        let kernel = self.kernel.counters();
        let total = |counter| kernel.get(&counter).copied().unwrap_or(0);
        let ended = total(Counter::SpansClosed) + self.abandoned.load(Ordering::Relaxed);
        total(Counter::SpansOpened).saturating_sub(ended)
    }

    /// Brings the agent's own metrics up to date.
    pub(super) fn publish(&self) {
        let own = self.telemetry.own();
        for (counter, total) in self.kernel.counters() {
            if LOSSES.contains(&counter) {
                own.drops_total(counter.name(), total);
            } else if !matches!(
                counter,
                Counter::EventsSubmitted | Counter::SpansOpened | Counter::SpansClosed
            ) {
                own.outcomes_total(counter.name(), total);
            }
        }
        let counts = self.correlator.counts();
        own.events_total("http", counts.http_spans);
        own.events_total("grpc", counts.grpc_spans);
        own.events_total("log", counts.log_writes);
        own.events_total("gc", counts.gc_stops);
        own.drops_total("unknown_target", counts.unknown_target);
        own.drops_total("undecodable", counts.undecodable);
        own.outcomes_total("abandoned", self.abandoned.load(Ordering::Relaxed));
        for (outcome, total) in self.resolver.outcomes() {
            own.binaries_total(outcome, total);
        }
        self.publish_targets();
    }
}

impl Counters {
    fn publish_targets(&self) {
        let own = self.telemetry.own();
        let (live, refused) = self.table.numbers();
        own.targets("attached", live.len());
        own.targets("refused", refused);
        for target in live {
            for (program, hits) in self.kernel.hits(target.reference) {
                let attributes = [program.name()];
                let resource = &target.resource;
                self.telemetry.set_counter(
                    resource,
                    &catalog::PROBE_HITS,
                    &attributes,
                    hits as f64,
                );
            }
        }
    }
}

/// Logs the features that this kernel does not allow.
pub(super) fn refused_programs(kernel: &Kernel) {
    tracing::info!(mode = kernel.mode().describe(), "eBPF programs loaded");
    for (program, error) in kernel.refused() {
        tracing::warn!(
            program = program.name(),
            error = error_chain(error),
            "program is not loaded; its feature stays off"
        );
    }
}
