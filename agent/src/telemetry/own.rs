//! The agent's own metrics, in the registry of the `prometheus` crate.

use std::collections::BTreeMap;

use prometheus::{
    Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::Collector, proto::MetricFamily,
};

use super::{
    catalog::{self, Metric},
    config::ConfigMetrics,
    go,
    process::ProcessMetrics,
    registry::RegistryMetrics,
};

/// Handles of the agent's own counters and gauges; every method is cheap and callable from anywhere.
#[derive(Debug)]
pub struct Own {
    registry: Registry,
    events: IntCounterVec,
    outcomes: IntCounterVec,
    drops: IntCounterVec,
    targets: IntGaugeVec,
    binaries: IntCounterVec,
    spans: IntCounter,
    log_lines: IntCounterVec,
    series: IntGauge,
    series_dropped: IntCounterVec,
    export_accepted: IntCounterVec,
    export_items: IntCounterVec,
    export_requests: IntCounterVec,
    export_queued: IntGaugeVec,
    readings: IntCounterVec,
    profiles: IntCounterVec,
    registry_half: RegistryMetrics,
    documents: ConfigMetrics,
    process: ProcessMetrics,
}

impl Own {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let new = Registrar(&registry);
        let build = new.gauge_vec(&catalog::BUILD_INFO);
        build
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        Self {
            events: new.counter_vec(&catalog::EVENTS),
            outcomes: new.counter_vec(&catalog::PROBE_OUTCOMES),
            drops: new.counter_vec(&catalog::DROPS),
            targets: new.int_gauge_vec(&catalog::TARGETS),
            binaries: new.counter_vec(&catalog::BINARIES),
            spans: new.counter(&catalog::SPANS),
            log_lines: new.counter_vec(&catalog::LOG_LINES),
            series: new.int_gauge(&catalog::SERIES),
            series_dropped: new.counter_vec(&catalog::SERIES_DROPPED),
            export_accepted: new.counter_vec(&catalog::EXPORT_ACCEPTED),
            export_items: new.counter_vec(&catalog::EXPORT_ITEMS),
            export_requests: new.counter_vec(&catalog::EXPORT_REQUESTS),
            export_queued: new.int_gauge_vec(&catalog::EXPORT_QUEUED),
            readings: new.counter_vec(&go::READINGS),
            profiles: new.counter_vec(&go::PROFILES),
            registry_half: RegistryMetrics::new(&new),
            documents: ConfigMetrics::new(&new),
            process: ProcessMetrics::new(&new),
            registry,
        }
    }

    /// Raises the count of events taken from the kernel, by kind, to a total.
    pub fn events_total(&self, kind: &str, total: u64) {
        raise(&self.events, kind, total);
    }

    /// Raises the count of hits that ended otherwise to a total.
    pub fn outcomes_total(&self, outcome: &str, total: u64) {
        raise(&self.outcomes, outcome, total);
    }

    /// Raises a drop counter, by reason from a fixed set, to a total that is counted elsewhere.
    pub fn drops_total(&self, reason: &str, total: u64) {
        raise(&self.drops, reason, total);
    }

    /// Sets how many targets are in a state.
    pub fn targets(&self, state: &str, count: usize) {
        self.targets
            .with_label_values(&[state])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Raises the count of binaries that were read, by outcome, to a total.
    pub fn binaries_total(&self, outcome: &str, total: u64) {
        raise(&self.binaries, outcome, total);
    }

    /// Metrics of settings and documents.
    #[must_use]
    pub fn config(&self) -> &ConfigMetrics {
        &self.documents
    }

    /// Metrics of the node's registry.
    #[must_use]
    pub fn registry(&self) -> &RegistryMetrics {
        &self.registry_half
    }

    /// Counts a log line.
    pub fn log_line(&self, correlated: bool) {
        let correlated = if correlated { "true" } else { "false" };
        self.log_lines.with_label_values(&[correlated]).inc();
    }

    /// Counts a reading of a target's Go runtime, by how it ended.
    pub fn reading(&self, outcome: &str) {
        self.readings.with_label_values(&[outcome]).inc();
    }

    /// Counts a profile of a target's goroutines, by how it ended.
    pub fn profile(&self, outcome: &str) {
        self.profiles.with_label_values(&[outcome]).inc();
    }

    pub(super) fn span(&self) {
        self.spans.inc();
    }

    pub(super) fn series(&self, count: usize) {
        self.series.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn series_dropped(&self, metric: &Metric) {
        self.series_dropped.with_label_values(&[metric.name]).inc();
    }

    /// The counters of one exporter.
    #[must_use]
    pub fn exporter(&self, exporter: &'static str) -> ExporterMetrics {
        ExporterMetrics {
            exporter,
            accepted: self.export_accepted.with_label_values(&[exporter]),
            queued: self.export_queued.with_label_values(&[exporter]),
            items: self.export_items.clone(),
            requests: self.export_requests.clone(),
        }
    }

    /// All own counters and gauges, flat: `golens_drops_total{reason="ring_full"}` and its value.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<String, u64> {
        let mut totals = BTreeMap::new();
        for family in self.registry.gather() {
            for metric in family.get_metric() {
                let labels: Vec<String> = metric
                    .get_label()
                    .iter()
                    .map(|label| format!("{}=\"{}\"", label.name(), label.value()))
                    .collect();
                let name = match labels.is_empty() {
                    true => family.name().to_owned(),
                    false => format!("{}{{{}}}", family.name(), labels.join(",")),
                };
                // A float cast saturates, and no counter here comes near 2^53.
                totals.insert(name, value(&family, metric) as u64);
            }
        }
        totals
    }

    /// Everything, with the values of the process read anew.
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.process.refresh();
        self.registry.gather()
    }
}

fn raise(counters: &IntCounterVec, label: &str, total: u64) {
    let counter = counters.with_label_values(&[label]);
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// The value of a counter or gauge.
pub(super) fn value(family: &MetricFamily, metric: &prometheus::proto::Metric) -> f64 {
    match family.get_field_type() {
        prometheus::proto::MetricType::COUNTER => metric.get_counter().get_value(),
        _ => metric.get_gauge().get_value(),
    }
}

/// Counters of one exporter.
///
/// Invariant: `accepted` equals the items of all outcomes plus those still waiting.
#[derive(Clone, Debug)]
pub struct ExporterMetrics {
    exporter: &'static str,
    accepted: IntCounter,
    queued: IntGauge,
    items: IntCounterVec,
    requests: IntCounterVec,
}

impl ExporterMetrics {
    /// The exporter's name, for log lines.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.exporter
    }

    /// Counts an item that was handed over.
    pub(crate) fn accepted(&self) {
        self.accepted.inc();
    }

    /// Counts items that left, by outcome.
    pub(crate) fn items(&self, outcome: &'static str, count: usize) {
        if count > 0 {
            self.items
                .with_label_values(&[self.exporter, outcome])
                .inc_by(count as u64);
        }
    }

    /// Counts a request, by outcome.
    pub(crate) fn request(&self, outcome: &'static str) {
        self.requests
            .with_label_values(&[self.exporter, outcome])
            .inc();
    }

    /// Sets how many items wait.
    pub(crate) fn queued(&self, count: usize) {
        self.queued.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Registers metrics under their catalogue names.
pub(super) struct Registrar<'a>(&'a Registry);

impl Registrar<'_> {
    pub(super) fn counter_vec(&self, metric: &Metric) -> IntCounterVec {
        self.register(IntCounterVec::new(opts(metric), &refs(&labels(metric))))
    }

    pub(super) fn counter(&self, metric: &Metric) -> IntCounter {
        self.register(IntCounter::with_opts(opts(metric)))
    }

    pub(super) fn int_gauge_vec(&self, metric: &Metric) -> IntGaugeVec {
        self.register(IntGaugeVec::new(opts(metric), &refs(&labels(metric))))
    }

    pub(super) fn int_gauge(&self, metric: &Metric) -> IntGauge {
        self.register(IntGauge::with_opts(opts(metric)))
    }

    fn gauge_vec(&self, metric: &Metric) -> GaugeVec {
        self.register(GaugeVec::new(opts(metric), &refs(&labels(metric))))
    }

    pub(super) fn gauge(&self, metric: &Metric) -> Gauge {
        self.register(Gauge::with_opts(opts(metric)))
    }

    pub(super) fn float_counter_vec(&self, metric: &Metric) -> prometheus::CounterVec {
        self.register(prometheus::CounterVec::new(
            opts(metric),
            &refs(&labels(metric)),
        ))
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: prometheus::Result<C>) -> C {
        // Names and labels are constants of the catalogue, whose tests prove them legal and unique.
        let collector = collector.expect("catalogue names are legal");
        self.0
            .register(Box::new(collector.clone()))
            .expect("catalogue names are unique");
        collector
    }
}

fn opts(metric: &Metric) -> Opts {
    Opts::new(metric.prometheus_name(), metric.description)
}

fn labels(metric: &Metric) -> Vec<String> {
    metric.labels().collect()
}

fn refs(labels: &[String]) -> Vec<&str> {
    labels.iter().map(String::as_str).collect()
}
