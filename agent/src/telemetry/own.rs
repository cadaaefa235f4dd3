//! The agent's own metrics.

/// Handles of the agent's own counters and gauges; every method is cheap and callable from anywhere.
#[derive(Debug)]
pub struct Own {}

impl Own {
    pub(super) fn new() -> Self {
        Self {}
    }

    /// Counts events taken from the kernel, by kind (`http`, `grpc`, `log`, `gc`).
    pub fn events(&self, _kind: &str, _count: u64) {}

    /// Counts things that were lost, by reason; reasons come from a fixed set.
    pub fn drops(&self, _reason: &str, _count: u64) {}

    /// Sets how many targets are in a state.
    pub fn targets(&self, _state: &str, _count: usize) {}

    /// Counts a finished span.
    pub fn span(&self) {}

    /// Counts a log line.
    pub fn log_line(&self, _correlated: bool) {}

    /// The counters of one exporter.
    #[must_use]
    pub fn exporter(&self, _name: &str) -> ExporterMetrics {
        ExporterMetrics {}
    }

    /// All own counters and gauges, flat: `golens_drops_total{reason="ring_full"}` and its value.
    #[must_use]
    pub fn totals(&self) -> std::collections::BTreeMap<String, u64> {
        std::collections::BTreeMap::new()
    }
}

/// Counters of one exporter.
#[derive(Clone, Debug)]
pub struct ExporterMetrics {}
