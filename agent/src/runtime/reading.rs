//! What one look at a Go runtime gives.

use super::RingCycle;
use crate::clock::MonotonicNanos;

/// One reading of one target.
///
/// # Units      pauses in ns, heap in bytes
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeReading {
    /// Goroutines as `runtime.NumGoroutine` counts them, without those of the runtime itself.
    pub goroutines: Option<u64>,
    /// Finished GC cycles since the start of the process.
    pub gc_cycles: u64,
    /// Each cycle that ended since the last reading, oldest first; each cycle comes once.
    pub new_gc_cycles: Vec<RingCycle>,
    /// Cycles that ended since the last reading and whose pause the runtime had overwritten already.
    pub gc_pauses_lost: u64,
    /// Sum of the pauses of all cycles since the start of the process.
    pub gc_pause_total_ns: u64,
    /// Heap that the last cycle found alive: `/gc/heap/live:bytes` of runtime/metrics.
    pub heap_live_bytes: Option<u64>,
    /// Heap size at which the next cycle should end; none when GC is off and no limit is set.
    pub heap_goal_bytes: Option<u64>,
    /// `GOMAXPROCS`.
    pub gomaxprocs: Option<u32>,
    /// All parts belong to one moment; else the GC part is that of the reading before.
    pub complete: bool,
    /// When the reading was taken.
    pub read_at: MonotonicNanos,
}
