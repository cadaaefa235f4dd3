//! Fixed sizes that both sides rely on.

/// Targets one agent watches at the same time; also the number of slots.
pub const MAX_TARGETS: u32 = 1024;
/// Spans open at the same time, over all targets.
pub const MAX_OPEN_SPANS: u32 = 65_536;
/// Default size of the event ring in bytes; the agent may raise it at load.
pub const RING_BYTES: u32 = 8 * 1024 * 1024;
/// Size of the ring for exec and exit of processes in bytes; apart, so that load never hides an exit.
pub const PROCESS_RING_BYTES: u32 = 256 * 1024;
/// Frames of the caller that a log line carries, to tell direct from buffered writers.
pub const LOG_CALLERS: usize = 4;
/// Creation sites of goroutines counted at the same time, over all targets.
pub const MAX_GOROUTINE_SITES: u32 = 4_096;
/// Goroutines whose begin, or whose wait for a processor, is remembered at the same time, over all targets.
pub const MAX_GOROUTINE_MARKS: u32 = 65_536;
