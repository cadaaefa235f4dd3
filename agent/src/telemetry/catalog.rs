//! The only place that names a metric.

/// One metric.
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// OpenTelemetry name.
    pub name: &'static str,
}

macro_rules! stubs {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub static $name: Metric = Metric { name: $text };)*
    };
}

stubs! {
    /// Hits of a target's probes, by feature.
    PROBE_HITS = "golens.probe.hits";
    /// Time a windowed probe was attached, by feature.
    PROBE_WINDOW = "golens.probe.window";
    /// Goroutines created while the window was open.
    GOROUTINES_CREATED = "golens.goroutines.created";
    /// Network reads while the window was open.
    NET_READS = "golens.net.reads";
    /// Network writes while the window was open.
    NET_WRITES = "golens.net.writes";
}
