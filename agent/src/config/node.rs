//! Scope, runtime reader, HTTP server and recent store.

use std::{net::SocketAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bytes, Interval};

/// Which processes golens may open.
///
/// The rules need only /proc/PID/cgroup, the link text of /proc/PID/exe and the pid, and apply before
/// a process's binary or memory is opened. Empty lists allow everything; a process must pass all
/// lists that are not empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    /// Cgroup path prefixes, matched by whole path components on any hierarchy: `/kubepods`.
    pub cgroups: Vec<String>,
    /// Executables by path, `*` matching any run of characters: `/usr/local/bin/*`.
    pub executables: Vec<String>,
    /// Executables left out, same form; wins over `executables`.
    pub exclude_executables: Vec<String>,
    /// Only these process ids.
    pub pids: Vec<u32>,
}

/// The memory reader of the Go runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// Off: no target's memory is read by the agent process.
    pub enabled: bool,
    /// Time between two readings of one target.
    pub interval: Interval,
    /// Other intervals for some targets; the first rule that fits counts.
    pub rules: Vec<RuntimeRule>,
    /// Goroutine profiles and the leaks that they show.
    pub goroutines: Goroutines,
}

/// An interval for the targets that it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuntimeRule {
    /// Service names, `*` matching any run of characters; empty means all.
    #[serde(default)]
    pub services: Vec<String>,
    /// Executables by path, same form.
    #[serde(default)]
    pub executables: Vec<String>,
    /// Time between two readings.
    pub interval: Interval,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Interval(Duration::from_secs(10)),
            rules: Vec::new(),
            goroutines: Goroutines::default(),
        }
    }
}

/// Goroutine profiles: memory reads, no probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Goroutines {
    /// Off: no profiles, and no leaks are found.
    pub enabled: bool,
    /// Time between two profiles of one target. All profiles of all targets together take a hundredth of
    /// one processor: where that is not enough, all targets are profiled less often, each in its turn.
    pub interval: Interval,
    /// Entries of a target's list of goroutines that are looked at; 24 bytes are kept of each, and over all
    /// targets of four times as many at most. Goroutines beyond that are counted, but of unknown age.
    pub limit: usize,
}

impl Default for Goroutines {
    fn default() -> Self {
        Self {
            enabled: true,
            interval: Interval(Duration::from_secs(4)),
            limit: 250_000,
        }
    }
}

/// What `/metrics` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Also the names that Go programs show by themselves with the Prometheus client library: `go_goroutines`,
    /// `go_memstats_*`, `process_*`.
    pub classic_names: bool,
}

/// The agent's own HTTP server: metrics, health, API and status page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9717)),
        }
    }
}

/// Spans and log lines kept in memory for the page, the API and `golens` verbs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Recent {
    /// Oldest entries go first when the store is larger than this.
    pub memory: Bytes,
    /// Entries older than this go.
    pub keep: Interval,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            memory: Bytes(32 << 20),
            keep: Interval(Duration::from_secs(15 * 60)),
        }
    }
}
