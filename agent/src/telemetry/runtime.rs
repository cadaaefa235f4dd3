//! Readings of the Go runtime become gauges, counters and the pause histogram.

use crate::clock::UnixNanos;

/// What one reading of a target's runtime variables said.
///
/// # Units  totals count since the start of the process, except `gc_pauses_lost`, which counts
///          since the first reading
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuntimeReading {
    /// Live goroutines.
    pub goroutines: Option<u64>,
    /// Finished GC cycles, total.
    pub gc_cycles: u64,
    /// Pauses of the cycles that finished since the last reading, oldest first; each is given once.
    pub new_gc_pauses_ns: Vec<u64>,
    /// Pauses that were overwritten before they could be read, total.
    pub gc_pauses_lost: u64,
    /// Time the world was stopped, total.
    pub gc_pause_total_ns: u64,
    /// Bytes of live heap at the end of the last cycle.
    pub heap_live_bytes: Option<u64>,
    /// Heap size at which the next cycle ends.
    pub heap_goal_bytes: Option<u64>,
    /// `GOMAXPROCS`.
    pub gomaxprocs: Option<u32>,
    /// Whether every value was read, and read consistently.
    pub complete: bool,
    /// When.
    pub read_at: UnixNanos,
}

/// The runtime of one target, as the API shows it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RuntimeSummary {
    /// `service.name`.
    pub service: String,
    /// Process id.
    pub pid: u32,
    /// Live goroutines.
    pub goroutines: Option<u64>,
    /// Finished GC cycles.
    pub gc_cycles: u64,
    /// Time the world was stopped.
    pub gc_pause_total_seconds: f64,
    /// Pauses that could not be read.
    pub gc_pauses_lost: u64,
    /// Up to 256 pauses, newest last.
    pub last_pauses_ns: Vec<u64>,
    /// Live heap at the end of the last cycle.
    pub heap_live_bytes: Option<u64>,
    /// Heap goal.
    pub heap_goal_bytes: Option<u64>,
    /// `GOMAXPROCS`.
    pub gomaxprocs: Option<u32>,
    /// Whether every value was read.
    pub complete: bool,
}
