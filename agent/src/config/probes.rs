//! What is attached to a target.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Bytes, Interval};
use agent_ebpf::limits::RING_BYTES;

/// Features by subject; each loads on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Probes {
    /// HTTP/1 server requests: two hits each.
    pub http: bool,
    /// gRPC server calls: two hits each.
    pub grpc: bool,
    /// Lines written to stdout and stderr: one hit per write.
    pub logs: bool,
    /// Bounds of each stop of the world: two hits per GC cycle.
    pub gc: bool,
    /// Begin and end of goroutines, in windows: three hits for each.
    pub goroutines: Window,
    /// Network reads and writes, in windows.
    pub net: Window,
    /// How links are made.
    pub attach: Attach,
    /// Size of the ring between kernel and agent; a power of two of at least 4 KiB.
    pub ring: Bytes,
    /// Time between two readings of the ring.
    pub drain: Interval,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            http: true,
            grpc: true,
            logs: true,
            gc: true,
            goroutines: Window::default(),
            net: Window::default(),
            attach: Attach::default(),
            ring: Bytes(RING_BYTES as u64),
            drain: Interval(Duration::from_millis(50)),
        }
    }
}

/// Ways to attach; the kernel decides which of them exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attach {
    /// The best one that works here, proven at start.
    #[default]
    Auto,
    /// `uprobe_multi`, one link per binary for all of its processes: past about eight processes of one
    /// binary each hit is cheaper so.
    ByFile,
    /// Perf events, the way of kernels below 6.6.
    Perf,
}

/// A probe that is too hot to stay: attached for `length` out of every `every`; where both are equal, it
/// stays attached, and the budget counts anew after each length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Window {
    /// Off: never attached.
    pub enabled: bool,
    /// How long it stays attached.
    pub length: Interval,
    /// From the start of one window to the start of the next.
    pub every: Interval,
    /// Hits one target may cost in one window; past it, the probe leaves that target until the next one.
    ///
    /// At 1 us a hit the default is 50 ms of CPU, 5 % of a core over a window of one second and 0.08 % over a
    /// minute.
    pub budget: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            enabled: true,
            length: Interval(Duration::from_secs(1)),
            every: Interval(Duration::from_secs(60)),
            budget: 50_000,
        }
    }
}
