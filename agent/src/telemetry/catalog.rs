//! The only place that names a metric.
//!
//! Prometheus names, units, help texts and label names are derived from these entries; see
//! [`Metric::prometheus_name`] for the rules.

use Instrument::{Counter, Gauge, Histogram, UpDownCounter};
use Stability::{Development, ReleaseCandidate, Stable};

/// How values of a metric behave over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Instrument {
    /// Only rises.
    Counter,
    /// Rises and falls, and can be summed over instances.
    UpDownCounter,
    /// A value that cannot be summed.
    Gauge,
    /// Counts of values below each of these bounds.
    Histogram(&'static [f64]),
}

/// How far users may rely on name, unit and attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stability {
    /// Stays.
    Stable,
    /// Expected to stay.
    ReleaseCandidate,
    /// May change with a changelog entry.
    Development,
}

/// Whose metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A target: series carry its service name, namespace and instance id.
    Target,
    /// The agent itself.
    Agent,
}

/// One metric.
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// OpenTelemetry name.
    pub name: &'static str,
    /// Instrument.
    pub instrument: Instrument,
    /// UCUM unit.
    pub unit: &'static str,
    /// Attribute keys, in the order in which values are given; an empty value means absent.
    pub attributes: &'static [&'static str],
    /// What it measures, in one sentence.
    pub description: &'static str,
    /// Stability.
    pub stability: Stability,
    /// Owner.
    pub owner: Owner,
}

impl Metric {
    /// The name Prometheus knows.
    ///
    /// Dots become underscores; `s`, `By` and `%` become `_seconds`, `_bytes` and `_percent`; `1` on
    /// a gauge becomes `_ratio`; units in braces become nothing, and `_per_second` when they end in `/s`;
    /// counters end with `_total`.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        let total = if self.instrument == Counter {
            "_total"
        } else {
            ""
        };
        format!("{}{total}", self.family_name())
    }

    /// The Prometheus name without `_total`, which is the family name of OpenMetrics.
    #[must_use]
    pub fn family_name(&self) -> String {
        let mut name = self.name.replace('.', "_");
        if let Some(unit) = self.prometheus_unit() {
            name.push('_');
            name.push_str(unit);
        }
        name
    }

    /// The unit as it appears at the end of the Prometheus name.
    #[must_use]
    pub fn prometheus_unit(&self) -> Option<&'static str> {
        match (self.unit, self.instrument) {
            ("s", _) => Some("seconds"),
            ("By", _) => Some("bytes"),
            ("%", _) => Some("percent"),
            ("1", Gauge) => Some("ratio"),
            (unit, _) if unit.ends_with("}/s") => Some("per_second"),
            _ => None,
        }
    }

    /// Label names of Prometheus, in the order of `attributes`.
    pub fn labels(&self) -> impl Iterator<Item = String> {
        self.attributes.iter().map(|key| key.replace('.', "_"))
    }
}

/// Bounds of request durations: the advice of the semantic conventions, and finer ones below it so
/// that services that answer within a millisecond are told apart.
///
/// # Units  seconds
pub static REQUEST_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0,
];

/// Bounds of garbage collection pauses: 10 us to 100 ms.
///
/// # Units  seconds
pub static PAUSE_SECONDS: &[f64] = &[
    0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1,
];

/// Bounds of lifetimes of goroutines: powers of four from 1.024 us on, so that they are among the bounds of
/// the kernel side's buckets.
///
/// # Units  seconds
pub static LIFETIME_SECONDS: &[f64] = &[
    0.000_001_024,
    0.000_004_096,
    0.000_016_384,
    0.000_065_536,
    0.000_262_144,
    0.001_048_576,
    0.004_194_304,
    0.016_777_216,
    0.067_108_864,
    0.268_435_456,
    1.073_741_824,
    4.294_967_296,
    17.179_869_184,
    68.719_476_736,
    274.877_906_944,
];

/// Bounds of stack sizes, which are powers of two.
///
/// # Units  bytes
pub static STACK_BYTES: &[f64] = &[
    2048.0,
    4096.0,
    8192.0,
    16384.0,
    32768.0,
    65536.0,
    131_072.0,
    262_144.0,
    1_048_576.0,
    16_777_216.0,
    268_435_456.0,
];

/// Bounds of phases of a garbage collection cycle: 10 us to 10 s, for marking lasts longer than pauses.
///
/// # Units  seconds
pub static PHASE_SECONDS: &[f64] = &[
    0.00001, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 10.0,
];

macro_rules! catalogue {
    ($list:ident: $about:literal; $($(#[$doc:meta])* $id:ident: $owner:ident $name:literal, $instrument:expr, $unit:literal,
       [$($attribute:literal),*], $stability:expr, $description:literal;)*) => {
        $(
            #[doc = $description]
            pub static $id: Metric = Metric {
                name: $name,
                instrument: $instrument,
                unit: $unit,
                attributes: &[$($attribute),*],
                description: $description,
                stability: $stability,
                owner: Owner::$owner,
            };
        )*

        #[doc = $about]
        pub static $list: &[&Metric] = &[$(&$id),*];
    };
}
pub(super) use catalogue;

/// Every metric, in the order in which pages show them.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    ALL.iter().chain(super::go::METRICS).copied()
}

catalogue! {
    ALL: "Metrics of requests, of the collector and of the agent itself.";

    HTTP_SERVER_REQUEST_DURATION: Target "http.server.request.duration",
        Histogram(REQUEST_SECONDS), "s",
        ["http.request.method", "http.route", "http.response.status_code", "url.scheme", "error.type"],
        Stable, "Duration of HTTP requests that the service answered.";
    RPC_SERVER_CALL_DURATION: Target "rpc.server.call.duration",
        Histogram(REQUEST_SECONDS), "s",
        ["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type"],
        ReleaseCandidate, "Duration of calls that the service answered.";
    HTTP_SERVER_ROUTE_UNKNOWN: Target "golens.http.server.route.unknown",
        Counter, "{request}", [],
        Development, "HTTP requests whose route pattern the program does not tell.";

    GOROUTINE_COUNT: Target "go.goroutine.count",
        UpDownCounter, "{goroutine}", [],
        Development, "Live goroutines.";
    GC_CYCLES: Target "go.memory.gc.cycles",
        Counter, "{gc_cycle}", [],
        Development, "Finished garbage collection cycles.";
    GC_PAUSE_DURATION: Target "go.memory.gc.pause.duration",
        Histogram(super::go::TIME_SECONDS), "s", [],
        Development, "Time the world was stopped for garbage collection, each stop by itself, as the runtime counts it; the sum is estimated.";
    STOP_DURATION: Target "golens.go.stop.duration",
        Histogram(PAUSE_SECONDS), "s", ["golens.go.stop.reason"],
        Development, "Time of one stop of the world, from its request to the restart.";
    GC_PHASE_DURATION: Target "golens.go.gc.phase.duration",
        Histogram(PHASE_SECONDS), "s", ["golens.go.gc.phase"],
        Development, "Time that a phase of a garbage collection cycle took; marking runs beside the program.";
    GC_GOAL: Target "go.memory.gc.goal",
        UpDownCounter, "By", [],
        Development, "Heap size at which the current garbage collection cycle is to end.";
    PROCESSOR_LIMIT: Target "go.processor.limit",
        UpDownCounter, "{thread}", [],
        Development, "Threads that can run Go code at the same time.";
    GC_PAUSE_TIME: Target "golens.go.gc.pause.time",
        Counter, "s", [],
        Development, "Time the world was stopped for garbage collection since the process started.";
    GC_PAUSES_LOST: Target "golens.go.gc.pauses.lost",
        Counter, "{gc_cycle}", [],
        Development, "Garbage collection cycles whose pause was overwritten before it was read.";
    HEAP_LIVE: Target "golens.go.memory.heap.live",
        UpDownCounter, "By", [],
        Development, "Heap that was live at the end of the last garbage collection cycle.";

    GOROUTINE_STATES: Target "golens.go.goroutine.count",
        UpDownCounter, "{goroutine}", ["golens.go.goroutine.state", "golens.go.goroutine.wait_reason"],
        Development, "Live goroutines by state and by what they wait for, as the last profile saw them.";
    GOROUTINE_LEAKS: Target "golens.go.goroutine.leaks",
        Counter, "{leak}", [],
        Development, "Creation sites that were found to leak goroutines.";
    GOROUTINE_LEAK_SIZE: Target "golens.go.goroutine.leak.size",
        UpDownCounter, "{goroutine}",
        ["code.function.name", "code.file.path", "code.line.number", "golens.go.goroutine.start",
         "golens.go.goroutine.wait_reason"],
        Development, "Goroutines of a creation site that leaks which have not run since an earlier profile.";
    GOROUTINE_LEAK_GROWTH: Target "golens.go.goroutine.leak.growth",
        Gauge, "{goroutine}/s",
        ["code.function.name", "code.file.path", "code.line.number", "golens.go.goroutine.start",
         "golens.go.goroutine.wait_reason"],
        Development, "How fast a leak grows; 0 when it has stopped.";

    PROBE_HITS: Target "golens.probe.hits",
        Counter, "{hit}", ["program"],
        Development, "Times a probe of the target was reached.";
    PROBE_WINDOW: Target "golens.probe.window",
        Counter, "s", ["feature"],
        Development, "Time during which a probe that is attached in windows was attached.";
    GOROUTINES_CREATED: Target "golens.go.goroutine.sampled.created",
        Counter, "{goroutine}", ["code.function.name", "code.file.path", "code.line.number"],
        Development, "Goroutines created while the probe's window was open, by the `go` statement; a sample, to be divided by the window time.";
    GOROUTINES_EXITED: Target "golens.go.goroutine.sampled.exited",
        Counter, "{goroutine}", ["code.function.name", "code.file.path", "code.line.number"],
        Development, "Goroutines that ended while the probe's window was open, by the `go` statement that created them; a sample, to be divided by the window time.";
    GOROUTINE_LIFETIME: Target "golens.go.goroutine.lifetime",
        Histogram(LIFETIME_SECONDS), "s", [],
        Development, "Lifetime of goroutines that began and ended in one window of the probe; longer ones cannot be among them.";
    GOROUTINE_STACK: Target "golens.go.goroutine.stack.size",
        Histogram(STACK_BYTES), "By", [],
        Development, "Stack that a goroutine had when it ended, of those that ended while the probe's window was open.";
    NET_READS: Target "golens.net.reads",
        Counter, "{read}", [],
        Development, "Network reads while the probe's window was open; a sample, to be divided by the window time.";
    NET_WRITES: Target "golens.net.writes",
        Counter, "{write}", [],
        Development, "Network writes while the probe's window was open; a sample, to be divided by the window time.";

    BUILD_INFO: Agent "golens.build.info",
        Gauge, "{build}", ["version"],
        Development, "Version of the running agent; the value is always 1.";
    EVENTS: Agent "golens.events",
        Counter, "{event}", ["kind"],
        Development, "Events taken from the kernel.";
    PROBE_OUTCOMES: Agent "golens.probe.outcomes",
        Counter, "{hit}", ["outcome"],
        Development, "Hits of probes that ended in something else than a record, by outcome.";
    DROPS: Agent "golens.drops",
        Counter, "{item}", ["reason"],
        Development, "Events, spans and log lines that were lost.";
    TARGETS: Agent "golens.targets",
        UpDownCounter, "{process}", ["state"],
        Development, "Processes that golens has looked at.";
    REGISTRY_INSTANCES: Agent "golens.registry.instances",
        UpDownCounter, "{instance}", [],
        Development, "Instances that the node's registry holds, in all namespaces.";
    REGISTRY_SERVICES: Agent "golens.registry.services",
        UpDownCounter, "{service}", [],
        Development, "Services of the node's registry that have instances.";
    REGISTRY_LISTENERS: Agent "golens.registry.listeners",
        UpDownCounter, "{listener}", ["state"],
        Development, "Addresses of the node's registry: `listening`, or `waiting` for a port that is taken.";
    REGISTRY_HEARTBEATS: Agent "golens.registry.heartbeats",
        Counter, "{heartbeat}", [],
        Development, "Reports of TTL checks that the registry has taken.";
    REGISTRY_CHECK_RUNS: Agent "golens.registry.check.runs",
        Counter, "{run}", [],
        Development, "Runs of checks by the registry.";
    REGISTRY_EVENTS: Agent "golens.registry.events",
        Counter, "{event}", ["kind"],
        Development, "What happened to services by itself: found, gone, answered for by others, tags that nobody well has.";
    CONFIG_GENERATION: Agent "golens.config.generation",
        Gauge, "{generation}", ["document"],
        Development, "Generation of a document that is in force; `golens/settings` are golens' own settings.";
    CONFIG_PINNED: Agent "golens.config.pinned",
        Gauge, "{generation}", ["document"],
        Development, "Generation that a document is pinned to, 0 when it follows its sources.";
    CONFIG_LAST_CHANGE_OK: Agent "golens.config.last_change_ok",
        Gauge, "{change}", ["document"],
        Development, "Whether the last change of a document was taken: 1 or 0.";
    CONFIG_SOURCES_LOST: Agent "golens.config.sources.lost",
        UpDownCounter, "{source}", ["document"],
        Development, "Sources of a document that are gone or cannot be read.";
    CONFIG_APPLIED: Agent "golens.config.applied",
        Counter, "{change}", ["document"],
        Development, "Changes of a document that were taken.";
    CONFIG_REFUSED: Agent "golens.config.refused",
        Counter, "{change}", ["document", "stage"],
        Development, "Changes of a document that were refused, by the step that refused them.";
    CLUSTER_CONNECTION: Agent "golens.registry.cluster.connection",
        UpDownCounter, "{state}", ["state"],
        Development, "Whether etcd's changes are followed: 1 for `connected` or for `disconnected`.";
    CLUSTER_VIEW: Agent "golens.registry.cluster.view",
        UpDownCounter, "{state}", ["state"],
        Development, "How far what is known of other nodes is to be trusted: 1 for one of `fresh`, `stale` and `expired`.";
    CLUSTER_BREAKER: Agent "golens.registry.cluster.breaker",
        UpDownCounter, "{state}", ["state"],
        Development, "The breaker in front of etcd: 1 for one of `closed`, `open` and `half-open`.";
    CLUSTER_CONTACT_AGE: Agent "golens.registry.cluster.contact.age",
        Gauge, "s", [],
        Development, "Time since etcd last said something; 0 without a cluster.";
    CLUSTER_INSTANCES: Agent "golens.registry.cluster.instances",
        UpDownCounter, "{instance}", ["state"],
        Development, "Instances of other nodes (`remote`), and of this one: `published`, `kept_here` because only this machine reaches them, or `too_large`.";
    CLUSTER_NODES: Agent "golens.registry.cluster.nodes",
        UpDownCounter, "{node}", [],
        Development, "Other nodes of the cluster.";
    CLUSTER_LEASES: Agent "golens.registry.cluster.leases",
        UpDownCounter, "{lease}", [],
        Development, "Leases in etcd that this node's instances live by.";
    CLUSTER_PROTECTED: Agent "golens.registry.cluster.protected",
        UpDownCounter, "{service}", [],
        Development, "Services that etcd has suddenly lost and whose instances are kept for a while.";
    CLUSTER_NAME_TAKEN: Agent "golens.registry.cluster.name_taken",
        UpDownCounter, "{node}", [],
        Development, "1 while another registry has the name of this node, and nothing of this one is published.";
    CLUSTER_EVENTS: Agent "golens.registry.cluster.events",
        Counter, "{event}", ["kind"],
        Development, "What happened between this node and etcd: `breaker_opened`, `lease_lost`, `resync`, `failure`, `record_refused`.";
    REGISTRY_RESOLVES: Agent "golens.registry.resolves",
        Counter, "{resolve}", ["matched"],
        Development, "Choices of instances for a caller: by `tag`, by `fallback` from tags, by `namespace` where no tags were asked for, or by `panic` where nobody is well.";
    BINARIES: Agent "golens.binaries",
        Counter, "{binary}", ["outcome"],
        Development, "Binaries that a process without rights has read, by how that ended.";
    SPANS: Agent "golens.spans",
        Counter, "{span}", [],
        Development, "Spans finished, sampled or not.";
    LOG_LINES: Agent "golens.log.lines",
        Counter, "{line}", ["correlated"],
        Development, "Log lines taken from targets.";
    SERIES: Agent "golens.series",
        UpDownCounter, "{series}", [],
        Development, "Series of targets held in memory.";
    SERIES_DROPPED: Agent "golens.series.dropped",
        Counter, "{value}", ["metric"],
        Development, "Values that found no series of their own because their target had reached its limit.";
    EXPORT_ACCEPTED: Agent "golens.export.accepted",
        Counter, "{item}", ["exporter"],
        Development, "Items handed to an exporter.";
    EXPORT_ITEMS: Agent "golens.export.items",
        Counter, "{item}", ["exporter", "outcome"],
        Development, "Items that left an exporter: sent, or dropped for the reason that the outcome names.";
    EXPORT_REQUESTS: Agent "golens.export.requests",
        Counter, "{request}", ["exporter", "outcome"],
        Development, "Requests an exporter made.";
    EXPORT_QUEUED: Agent "golens.export.queued",
        UpDownCounter, "{item}", ["exporter"],
        Development, "Items waiting in an exporter.";

    PROCESS_CPU_TIME: Agent "process.cpu.time",
        Counter, "s", ["cpu.mode"],
        ReleaseCandidate, "CPU time the agent has used.";
    PROCESS_MEMORY_USAGE: Agent "process.memory.usage",
        UpDownCounter, "By", [],
        ReleaseCandidate, "Resident memory of the agent.";
    PROCESS_FDS: Agent "process.unix.file_descriptor.count",
        UpDownCounter, "{file_descriptor}", [],
        ReleaseCandidate, "File descriptors the agent has open.";
    PROCESS_UPTIME: Agent "process.uptime",
        Gauge, "s", [],
        ReleaseCandidate, "Time since the agent started.";
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fmt::Write};

    use super::*;

    /// The table that users of dashboards rely on; a change here is a breaking change.
    #[test]
    fn prometheus_names_are_those_of_the_golden_file() {
        let mut table = String::new();
        for metric in all() {
            let labels: Vec<_> = metric.labels().collect();
            writeln!(
                table,
                "{} {} {:?} {{{}}}",
                metric.name,
                metric.prometheus_name(),
                metric.prometheus_unit().unwrap_or("-"),
                labels.join(",")
            )
            .expect("a String takes everything");
        }
        assert_eq!(table, include_str!("golden/names.txt"));
    }

    #[test]
    fn names_are_unique_and_legal() {
        let mut seen = BTreeSet::new();
        for metric in all() {
            let name = metric.prometheus_name();
            assert!(seen.insert(name.clone()), "{name} appears twice");
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                "{name}"
            );
            assert!(!metric.name.ends_with("total"), "{name}");
            assert_eq!(
                metric.instrument == Counter,
                name.ends_with("_total"),
                "{name}"
            );
            assert!(
                metric.description.ends_with('.')
                    && !metric.description.contains(['\n', '\\', '"']),
                "{name} has no sentence that needs no escapes"
            );
        }
    }

    /// Without this a histogram would show a bucket twice or out of order.
    #[test]
    fn bounds_rise() {
        for metric in all() {
            if let Histogram(bounds) = metric.instrument {
                assert!(bounds.is_sorted_by(|a, b| a < b), "{}", metric.name);
            }
        }
    }

    /// The conventions have their own names for what they cover; everything else is under ours.
    #[test]
    fn names_outside_the_conventions_carry_our_prefix() {
        for metric in all() {
            let ours = metric.name.starts_with("golens.");
            let theirs = ["http.", "rpc.", "go.", "process."]
                .iter()
                .any(|prefix| metric.name.starts_with(prefix));
            assert!(ours || theirs, "{}", metric.name);
        }
    }
}
