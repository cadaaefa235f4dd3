//! Events as the kernel side writes them, for tests.

use agent_ebpf::{
    event::{
        EventHeader, KIND_GC_STOP,
        gc::{
            GcStopEvent, KNOWN_CYCLE, KNOWN_FORCED, KNOWN_PAUSE, KNOWN_TIMES, REASON_MARK_TERM,
            REASON_SWEEP_TERM, REASON_UNKNOWN,
        },
    },
    target::TargetRef,
};

/// The process of all events here.
pub(crate) const TARGET: TargetRef = TargetRef {
    slot: 1,
    generation: 1,
};

/// A stop seen at `probe`, in a cycle whose phases began at `times` and that has paused for `pause_ns`.
pub(crate) fn stop(cycle: u32, probe: u64, pause_ns: u64, times_ns: [u64; 4]) -> GcStopEvent {
    GcStopEvent {
        header: EventHeader {
            kind: KIND_GC_STOP,
            size: 0,
            target: TARGET,
            time_ns: probe,
            goid: 0,
        },
        reason: REASON_UNKNOWN,
        cycle,
        started_ns: 0,
        stopped_ns: 0,
        pause_ns,
        now_ns: 0,
        times_ns,
        heap_bytes: [0; 3],
        mark_cpu_ns: [0; 4],
        goal_bytes: 0,
        stack_bytes: 0,
        globals_bytes: 0,
        cpu_fraction: 0,
        init_time_ns: 0,
        procs: [0; 2],
        forced: 1,
        known: KNOWN_CYCLE | KNOWN_PAUSE | KNOWN_TIMES | KNOWN_FORCED,
    }
}

/// Sweep termination of Go 1.22 and later, asked for at `started`.
pub(crate) fn sweep_termination(cycle: u32, started: u64, probe: u64) -> GcStopEvent {
    GcStopEvent {
        reason: REASON_SWEEP_TERM,
        started_ns: started,
        ..stop(cycle, probe, 0, [started - 1, 0, 0, 0])
    }
}

/// Mark termination that ends at `now`, 0 when marking goes on.
pub(crate) fn mark_termination(
    cycle: u32,
    (started, now): (u64, u64),
    probe: u64,
    pause_ns: u64,
    times_ns: [u64; 4],
) -> GcStopEvent {
    GcStopEvent {
        reason: REASON_MARK_TERM,
        started_ns: started,
        now_ns: now,
        ..stop(cycle, probe, pause_ns, times_ns)
    }
}
