//! Metric catalogue, series, aggregation and exemplars.

pub mod catalog;
mod classic;
mod cluster;
mod code;
mod config;
pub mod expose;
pub mod go;
mod goroutines;
mod histogram;
mod own;
mod process;
mod red;
mod registry;
mod runtime;
mod services;
mod store;
#[cfg(test)]
pub(crate) mod testing;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

pub use code::code_values;
pub use config::ConfigMetrics;
pub use own::{ExporterMetrics, Own};
pub use registry::RegistryMetrics;
pub use runtime::RuntimeSummary;
pub use services::ServiceSummary;

use self::{
    catalog::Metric,
    store::{Sample, Store},
};
use crate::{
    clock::UnixNanos,
    correlate::Span,
    discovery::Usage,
    identity::Resource,
    runtime::{Leak, RuntimeReading, profile::Profile},
};

/// Series one target may have; further ones are summed in an overflow series.
const SERIES_PER_TARGET: usize = 2_000;

/// All metrics of the agent: those of its targets and its own.
#[derive(Debug)]
pub struct Telemetry {
    store: Store,
    own: Own,
    classic_names: AtomicBool,
}

impl Telemetry {
    /// An empty set of series.
    #[must_use]
    pub fn new() -> Self {
        Self {
            store: Store::new(SERIES_PER_TARGET),
            own: Own::new(),
            classic_names: AtomicBool::new(false),
        }
    }

    /// Also shows the names of the Prometheus client library for Go from now on, or not.
    pub fn show_classic_names(&self, shown: bool) {
        self.classic_names.store(shown, Ordering::Relaxed);
    }

    /// Whether those names are shown; only then what a process uses is needed.
    #[must_use]
    pub fn shows_classic_names(&self) -> bool {
        self.classic_names.load(Ordering::Relaxed)
    }

    /// The agent's own counters and gauges.
    #[must_use]
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// Counts a finished span, sampled or not.
    pub fn record_span(&self, span: &Span) {
        self.own.span();
        let recorded = red::record(&self.store, span);
        if !recorded.own_series {
            self.own.series_dropped(recorded.metric);
        }
    }

    /// Takes over one reading of a target's Go runtime.
    pub fn update_runtime(&self, resource: &Arc<Resource>, reading: RuntimeReading) {
        runtime::update(&self.store, resource, Arc::new(reading));
    }

    /// Takes over what a target's process uses.
    pub fn update_usage(&self, resource: &Arc<Resource>, usage: Usage) {
        self.store.target(resource).lock().runtime.usage = Some(usage);
    }

    /// Takes over a goroutine profile of a target and its leaks.
    pub fn update_goroutines(&self, resource: &Arc<Resource>, profile: &Profile, leaks: &[Leak]) {
        goroutines::update(&self.store, resource, profile, leaks);
    }

    /// Adds a value to a histogram of a target.
    pub fn observe(
        &self,
        resource: &Arc<Resource>,
        metric: &'static Metric,
        attributes: &[&str],
        value: f64,
    ) {
        debug_assert_eq!(attributes.len(), metric.attributes.len(), "{}", metric.name);
        let own_series = self
            .store
            .with_sample(resource, metric, attributes, |sample| {
                if let Sample::Histogram(histogram) = sample {
                    histogram.observe(value, UnixNanos::now(), None);
                }
            });
        if !own_series {
            self.own.series_dropped(metric);
        }
    }

    /// Adds values to a histogram of a target that were counted elsewhere, as (upper bound, how many), and
    /// their sum.
    pub fn observe_counted(
        &self,
        resource: &Arc<Resource>,
        metric: &'static Metric,
        counts: impl IntoIterator<Item = (f64, u64)>,
        sum: f64,
    ) {
        debug_assert!(metric.attributes.is_empty(), "{}", metric.name);
        let own_series = self.store.with_sample(resource, metric, &[], |sample| {
            if let Sample::Histogram(histogram) = sample {
                histogram.add_counted(counts, sum, UnixNanos::now());
            }
        });
        if !own_series {
            self.own.series_dropped(metric);
        }
    }

    /// Raises a counter of a target to a total that something else counts.
    pub fn set_counter(
        &self,
        resource: &Arc<Resource>,
        metric: &'static Metric,
        attributes: &[&str],
        total: f64,
    ) {
        self.number(resource, metric, attributes, |value| value.max(total));
    }

    /// Adds to a counter of a target.
    pub fn add(
        &self,
        resource: &Arc<Resource>,
        metric: &'static Metric,
        attributes: &[&str],
        delta: f64,
    ) {
        self.number(resource, metric, attributes, |value| value + delta);
    }

    fn number(
        &self,
        resource: &Arc<Resource>,
        metric: &'static Metric,
        attributes: &[&str],
        change: impl FnOnce(f64) -> f64,
    ) {
        debug_assert_eq!(attributes.len(), metric.attributes.len(), "{}", metric.name);
        let own_series = self
            .store
            .with_sample(resource, metric, attributes, |sample| {
                if let Sample::Number(value) = sample {
                    *value = change(*value);
                }
            });
        if !own_series {
            self.own.series_dropped(metric);
        }
    }

    /// Says that a target's process has ended; its series stay for five more minutes.
    pub fn target_ended(&self, resource: &Arc<Resource>) {
        let now = Instant::now();
        self.store.end(resource, now);
        self.store.sweep(now);
    }

    /// Writes every metric as one page.
    #[must_use]
    pub fn render(&self, format: expose::Format) -> String {
        self.store.sweep(Instant::now());
        let targets = self.store.targets();
        let series: Vec<_> = targets
            .iter()
            .flat_map(|target| target.snapshot_with_runtime())
            .collect();
        self.own.series(series.len());
        let classic: Vec<_> = match self.shows_classic_names() {
            true => targets.iter().filter_map(|target| target.shown()).collect(),
            false => Vec::new(),
        };
        expose::page(format, &series, &self.own.gather(), &classic)
    }

    /// The latest runtime reading of each live target.
    #[must_use]
    pub fn runtime_summaries(&self) -> Vec<RuntimeSummary> {
        runtime::summaries(&self.store.targets())
    }

    /// Requests by service and route.
    #[must_use]
    pub fn service_summaries(&self) -> Vec<ServiceSummary> {
        services::summaries(&self.store.targets(), UnixNanos::now())
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}
