//! Metric catalogue, series, aggregation and exemplars.
