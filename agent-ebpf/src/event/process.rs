//! Exec and exit of processes.

/// `ProcessEvent::kind`: a process has a new program.
pub const PROCESS_EXEC: u32 = 1;
/// `ProcessEvent::kind`: the first thread of a process has ended.
pub const PROCESS_EXIT: u32 = 2;

/// One exec or exit anywhere on the node.
///
/// # Source raw tracepoints `sched_process_exec`, `sched_process_exit`
/// # Layout 24 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessEvent {
    /// `PROCESS_*`.
    pub kind: u32,
    /// Process id in the root pid namespace.
    pub pid: u32,
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    /// Generation the process had as a target, 0 when it was none.
    pub generation: u32,
    /// Zero.
    pub _pad: u32,
}

const _: () = assert!(size_of::<ProcessEvent>() == 24);
