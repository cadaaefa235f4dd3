//! Stops of the world.

use super::EventHeader;

/// `GcStopEvent::reason` of Go 1.21 and later: mark termination.
pub const REASON_MARK_TERM: u32 = 1;
/// `GcStopEvent::reason` of Go 1.21 and later: sweep termination.
pub const REASON_SWEEP_TERM: u32 = 2;
/// The Go version passes no reason.
pub const REASON_UNKNOWN: u32 = u32::MAX;

/// The end of one stop of the world.
///
/// # Units  nanoseconds of `CLOCK_MONOTONIC`, the runtime's own; 0 when this Go version does not pass it
/// # Source go-sym: runtime.startTheWorldWithSema 1.17..=1.27 proc.go
/// # Layout 72 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcStopEvent {
    /// `KIND_GC_STOP`; its time is the restart.
    pub header: EventHeader,
    /// The runtime's `stwReason`, or [`REASON_UNKNOWN`].
    pub reason: u32,
    /// `work.cycles`: number of the GC cycle.
    pub cycle: u32,
    /// When the stop was asked for (1.22+).
    pub started_ns: u64,
    /// When the last P had stopped (1.23+).
    pub stopped_ns: u64,
    /// `work.pauseNS`: total pause of this cycle so far.
    pub pause_ns: u64,
    /// The runtime's `now` at the restart, 0 when it passes none.
    pub now_ns: u64,
}

impl GcStopEvent {
    /// From the request of the stop to the restart; `None` before Go 1.22, which does not say.
    ///
    /// Mark termination passes its own end; other stops end at the probe.
    #[must_use]
    pub fn length_ns(&self) -> Option<u64> {
        let end = if self.now_ns == 0 {
            self.header.time_ns
        } else {
            self.now_ns
        };
        (self.started_ns != 0).then(|| end.saturating_sub(self.started_ns))
    }

    /// The reason in words, as the runtime names it since Go 1.21.
    ///
    /// # Source go-sym: runtime.stwReason 1.21..=1.27 proc.go
    #[must_use]
    pub fn reason_name(&self) -> &'static str {
        match self.reason {
            REASON_MARK_TERM => "GC mark termination",
            REASON_SWEEP_TERM => "GC sweep termination",
            3 => "write heap dump",
            4 => "goroutine profile",
            5 => "goroutine profile cleanup",
            6 => "all goroutines stack trace",
            7 => "read mem stats",
            8 => "AllThreadsSyscall",
            9 => "GOMAXPROCS",
            10 => "start trace",
            11 => "stop trace",
            _ => "unknown",
        }
    }
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<GcStopEvent>() == 72);
    assert!(offset_of!(GcStopEvent, started_ns) == 40);
    assert!(offset_of!(GcStopEvent, now_ns) == 64);
};
