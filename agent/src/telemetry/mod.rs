//! Metric catalogue, series, aggregation and exemplars.

pub mod catalog;
pub mod expose;
mod own;
mod runtime;
mod store;

use std::sync::Arc;

pub use own::{ExporterMetrics, Own};
pub use runtime::{RuntimeReading, RuntimeSummary};

use crate::{correlate::Span, identity::Resource};

/// All metrics of the agent: those of its targets and its own.
#[derive(Debug)]
pub struct Telemetry {
    own: Own,
}

impl Telemetry {
    /// An empty set of series.
    #[must_use]
    pub fn new() -> Self {
        Self { own: Own::new() }
    }

    /// The agent's own counters and gauges.
    #[must_use]
    pub fn own(&self) -> &Own {
        &self.own
    }

    /// Counts a finished span, sampled or not.
    pub fn record_span(&self, _span: &Span) {}

    /// Takes over one reading of a target's Go runtime.
    pub fn update_runtime(&self, _resource: &Arc<Resource>, _reading: &RuntimeReading) {}

    /// Sets a counter of a target to a total that something else counts; a lower total is ignored.
    pub fn set_counter(
        &self,
        _resource: &Arc<Resource>,
        _metric: &'static catalog::Metric,
        _attributes: &[&str],
        _total: f64,
    ) {
    }

    /// Adds to a counter of a target.
    pub fn add(
        &self,
        _resource: &Arc<Resource>,
        _metric: &'static catalog::Metric,
        _attributes: &[&str],
        _delta: f64,
    ) {
    }

    /// Says that a target's process has ended; its series stay for five more minutes.
    pub fn target_ended(&self, _resource: &Resource) {}

    /// Writes every metric as one page.
    #[must_use]
    pub fn render(&self, _format: expose::Format) -> String {
        String::new()
    }

    /// The latest runtime reading of each live target.
    #[must_use]
    pub fn runtime_summaries(&self) -> Vec<RuntimeSummary> {
        Vec::new()
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}
