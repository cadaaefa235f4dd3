//! Prometheus text exposition.

/// Page format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text 0.0.4.
    Text,
    /// OpenMetrics 1.0 with exemplars.
    OpenMetrics,
}
