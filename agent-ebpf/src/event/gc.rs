//! Stops of the world.

use super::EventHeader;

/// `GcStopEvent::reason` of Go 1.22 and later: mark termination.
pub const REASON_MARK_TERM: u32 = 1;
/// `GcStopEvent::reason` of Go 1.22 and later: sweep termination.
pub const REASON_SWEEP_TERM: u32 = 2;
/// The Go version passes no reason.
pub const REASON_UNKNOWN: u32 = u32::MAX;

/// `GcStopEvent::known`: `cycle` was read.
pub const KNOWN_CYCLE: u32 = 1;
/// `GcStopEvent::known`: `pause_ns` was read.
pub const KNOWN_PAUSE: u32 = 1 << 1;
/// `GcStopEvent::known`: `times_ns` were read.
pub const KNOWN_TIMES: u32 = 1 << 2;
/// `GcStopEvent::known`: `forced` was read.
pub const KNOWN_FORCED: u32 = 1 << 3;
/// `GcStopEvent::known`: `heap_bytes` were read.
pub const KNOWN_HEAP: u32 = 1 << 4;
/// `GcStopEvent::known`: `procs` were read.
pub const KNOWN_PROCS: u32 = 1 << 5;
/// `GcStopEvent::known`: `goal_bytes` was read.
pub const KNOWN_GOAL: u32 = 1 << 6;
/// `GcStopEvent::known`: `mark_cpu_ns` were read.
pub const KNOWN_MARK_CPU: u32 = 1 << 7;
/// `GcStopEvent::known`: `stack_bytes` was read.
pub const KNOWN_STACK: u32 = 1 << 8;
/// `GcStopEvent::known`: `globals_bytes` was read.
pub const KNOWN_GLOBALS: u32 = 1 << 9;
/// `GcStopEvent::known`: `cpu_fraction` was read.
pub const KNOWN_CPU_FRACTION: u32 = 1 << 10;
/// `GcStopEvent::known`: `init_time_ns` was read.
pub const KNOWN_INIT_TIME: u32 = 1 << 11;

/// A stop of the world that is about to end, and what the runtime says of its GC cycle at that moment.
///
/// What was not read is 0 and has no bit in `known`. From `forced` on, only an event that comes when a
/// cycle has ended is filled.
///
/// # Units  nanoseconds of `CLOCK_MONOTONIC`, the runtime's own, and bytes
/// # Source go-sym: runtime.startTheWorldWithSema 1.17..=1.27 proc.go
/// # Layout 216 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcStopEvent {
    /// `KIND_GC_STOP`; its time is that of the probe, shortly before the restart.
    pub header: EventHeader,
    /// The runtime's `stwReason`, or [`REASON_UNKNOWN`].
    pub reason: u32,
    /// `work.cycles`: number of the GC cycle that runs or ran last.
    pub cycle: u32,
    /// When the stop was asked for (1.22+).
    pub started_ns: u64,
    /// When the last P had stopped (1.23+).
    pub stopped_ns: u64,
    /// `work.pauseNS`: total pause of this cycle so far. Mark termination adds itself before the probe,
    /// other stops behind it.
    pub pause_ns: u64,
    /// The end of the stop, which mark termination alone knows before it restarts the world (1.22+).
    pub now_ns: u64,
    /// `work.tSweepTerm`, `tMark`, `tMarkTerm`, `tEnd`: when each phase of a cycle began, and its end. Those
    /// that the running cycle has not reached are of an earlier one.
    pub times_ns: [u64; 4],
    /// `work.heap0`, `heap1`, `heap2`: heap at the start, at the end, and what of it is live.
    pub heap_bytes: [u64; 3],
    /// CPU time of marking: assists, dedicated, fractional and idle workers.
    pub mark_cpu_ns: [u64; 4],
    /// `gcController.lastHeapGoal`: the goal of this cycle.
    pub goal_bytes: u64,
    /// Stack that was scanned.
    pub stack_bytes: u64,
    /// Global variables that are scanned.
    pub globals_bytes: u64,
    /// `memstats.gc_cpu_fraction`, the bits of a float.
    pub cpu_fraction: u64,
    /// `runtimeInitTime`: when the runtime started.
    pub init_time_ns: u64,
    /// `work.stwprocs` and `work.maxprocs`.
    pub procs: [u32; 2],
    /// 1 when the program asked for this cycle.
    pub forced: u32,
    /// `KNOWN_*`.
    pub known: u32,
}

impl GcStopEvent {
    /// Whether a part was read.
    #[must_use]
    pub fn knows(&self, part: u32) -> bool {
        self.known & part != 0
    }
}

/// What the garbage collector of a process did while a span ran, read at the end of the span.
///
/// # Layout 16 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanGc {
    /// `work.tMark`: end of the first stop of the latest cycle that has come so far; 0 when not read.
    pub mark_ns: u64,
    /// GC cycles that ended meanwhile, [`NOT_READ`] where stops are probed or the place is unknown.
    pub cycles: u32,
    /// 1 when somebody was about to stop the world, [`NOT_READ`] where stops are not probed.
    pub stopping: u32,
}

/// A part of [`SpanGc`] that was not read.
pub const NOT_READ: u32 = u32::MAX;

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<GcStopEvent>() == 216);
    assert!(offset_of!(GcStopEvent, started_ns) == 40);
    assert!(offset_of!(GcStopEvent, times_ns) == 72);
    assert!(offset_of!(GcStopEvent, procs) == 200);
    assert!(size_of::<SpanGc>() == 16);
};
