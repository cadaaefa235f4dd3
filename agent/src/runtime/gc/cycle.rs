//! What is known of one garbage collection cycle and of its stops of the world.

use agent_ebpf::event::gc::{REASON_MARK_TERM, REASON_SWEEP_TERM, REASON_UNKNOWN};

use super::RingCycle;
use crate::clock::{MonotonicNanos, UnixNanos};

/// Why the world was stopped.
///
/// # Source     go-sym: runtime.stwReason 1.21..=1.27 proc.go
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A GC cycle began.
    SweepTermination,
    /// A GC cycle ended, or tried to.
    MarkTermination,
    /// Something else, by the runtime's number.
    Other(u32),
    /// Not for a GC cycle; Go before 1.22 does not say for what.
    NotGc,
}

impl StopReason {
    /// The reason behind a number of the runtime.
    #[must_use]
    pub fn of(number: u32) -> Self {
        match number {
            REASON_SWEEP_TERM => Self::SweepTermination,
            REASON_MARK_TERM => Self::MarkTermination,
            REASON_UNKNOWN => Self::NotGc,
            other => Self::Other(other),
        }
    }

    /// The reason in words, as the runtime names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SweepTermination => "GC sweep termination",
            Self::MarkTermination => "GC mark termination",
            Self::Other(3) => "write heap dump",
            Self::Other(4) => "goroutine profile",
            Self::Other(5) => "goroutine profile cleanup",
            Self::Other(6) => "all goroutines stack trace",
            Self::Other(7) => "read mem stats",
            Self::Other(8) => "AllThreadsSyscall",
            Self::Other(9) => "GOMAXPROCS",
            Self::Other(10) => "start trace",
            Self::Other(11) => "stop trace",
            Self::Other(_) | Self::NotGc => "unknown",
        }
    }

    /// Whether a GC cycle stopped the world.
    #[must_use]
    pub fn is_gc(self) -> bool {
        matches!(self, Self::SweepTermination | Self::MarkTermination)
    }
}

/// One stop of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Why.
    pub reason: StopReason,
    /// The GC cycle that ran, or ran last.
    pub cycle: u32,
    /// When it was asked for, as the runtime counts pauses. None before Go 1.22 for other reasons than GC,
    /// and when what was read cannot be.
    pub started: Option<MonotonicNanos>,
    /// When the last P had stopped (1.23+).
    pub stopped: Option<MonotonicNanos>,
    /// When the world ran again.
    pub ended: MonotonicNanos,
    /// `ended` is the runtime's own. Else it is the time of the probe, and the runtime's lies behind it by
    /// the time it takes to wake the Ps.
    pub exact: bool,
}

impl Stop {
    /// From the request to the restart.
    #[must_use]
    pub fn length_ns(&self) -> Option<u64> {
        Some(self.ended.0.saturating_sub(self.started?.0))
    }

    /// From the request until the last P had stopped.
    #[must_use]
    pub fn stopping_ns(&self) -> Option<u64> {
        Some(self.stopped?.0.saturating_sub(self.started?.0))
    }
}

/// When each phase of a cycle began, on the runtime's clock.
///
/// Sweep termination includes its stop, mark termination its own; the lengths are those that
/// `GODEBUG=gctrace=1` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Sweep termination.
    pub sweep_termination: MonotonicNanos,
    /// Concurrent marking.
    pub mark: MonotonicNanos,
    /// Mark termination.
    pub mark_termination: MonotonicNanos,
    /// The end of the cycle.
    pub end: MonotonicNanos,
}

impl Phases {
    /// Names of the phases, in their order.
    pub const NAMES: [&'static str; 3] = ["sweep termination", "mark", "mark termination"];

    /// How long each phase took.
    #[must_use]
    pub fn lengths_ns(&self) -> [u64; 3] {
        let between = |from: MonotonicNanos, to: MonotonicNanos| to.0.saturating_sub(from.0);
        [
            between(self.sweep_termination, self.mark),
            between(self.mark, self.mark_termination),
            between(self.mark_termination, self.end),
        ]
    }
}

/// CPU time of marking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkCpu {
    /// Goroutines that had to help because they allocate.
    pub assist_ns: u64,
    /// Workers that mark only.
    pub dedicated_ns: u64,
    /// Workers that mark for a part of their time.
    pub fractional_ns: u64,
    /// Workers on Ps that had nothing else to do.
    pub idle_ns: u64,
}

/// What the probe saw of a cycle. What this Go version does not have, or the binary does not tell the
/// place of, is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The phases.
    pub phases: Option<Phases>,
    /// Whether the program asked for the cycle.
    pub forced: Option<bool>,
    /// Heap at the start, at the end, and what of it is live, in bytes.
    pub heap_bytes: Option<[u64; 3]>,
    /// The size the heap was to have at the end.
    pub goal_bytes: Option<u64>,
    /// Stack that was scanned.
    pub stack_bytes: Option<u64>,
    /// Global variables that are scanned.
    pub globals_bytes: Option<u64>,
    /// CPU time of marking.
    pub mark_cpu: Option<MarkCpu>,
    /// Ps that were stopped at the same time, by which the CPU time of stops is counted.
    pub stop_procs: Option<u32>,
    /// `GOMAXPROCS`.
    pub procs: Option<u32>,
    /// Part of the available CPU time that GC has used since the program started, from 0 to 1.
    pub cpu_fraction: Option<f64>,
    /// From the start of the runtime to the start of the cycle.
    pub since_start_ns: Option<u64>,
    /// Its stops, in order.
    pub stops: Vec<Stop>,
    /// The stops are all there: their lengths add up to the cycle's pause.
    pub stops_complete: bool,
}

/// One finished cycle. The ring and the probe report it independently and are joined by its number.
#[derive(Clone, Debug, PartialEq)]
pub struct GcCycle {
    /// From 1.
    pub number: u32,
    /// Sum of its stops, as the runtime counts them.
    pub pause_ns: u64,
    /// End of the last stop by the target's wall clock; none until the ring was read.
    pub end: Option<UnixNanos>,
    /// None when only the ring tells of this cycle: its phases are unknown.
    pub observed: Option<Observed>,
}

impl From<RingCycle> for GcCycle {
    fn from(ring: RingCycle) -> Self {
        Self {
            number: ring.number,
            pause_ns: ring.pause_ns,
            end: Some(ring.end),
            observed: None,
        }
    }
}
