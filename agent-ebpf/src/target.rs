//! Keys and small values of the maps.

/// Where a process lives in the agent's tables.
///
/// Written by the agent when a target is ready; deleted by the kernel side at exec and exit, so that
/// a process that re-executes itself or a reused pid meets no old state. `generation` is never reused.
///
/// # Layout 8 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetRef {
    /// Index into the per-slot arrays (`OFFSETS`, `SLOT_COUNTERS`).
    pub slot: u32,
    /// Rises with every registration of any process, over the life of the agent.
    pub generation: u32,
}

/// Names one goroutine of one target.
///
/// # Layout 16 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GoroutineKey {
    /// The process, in this incarnation.
    pub target: TargetRef,
    /// `runtime.g.goid`; never reused within a process.
    pub goid: u64,
}

/// `OpenSpan::kind`: an HTTP/1 server request.
pub const OPEN_HTTP_SERVER: u32 = 1;
/// `OpenSpan::kind`: a gRPC server call.
pub const OPEN_GRPC_SERVER: u32 = 2;

/// Trace identity of a span, fixed when it starts.
///
/// # Layout 40 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanIds {
    /// W3C trace id, big-endian as on the wire. All zero: no span.
    pub trace_id: [u8; 16],
    /// This span.
    pub span_id: [u8; 8],
    /// The caller's span; all zero for a root.
    pub parent_span_id: [u8; 8],
    /// W3C trace flags of the caller in the low byte; `IDS_*` above.
    pub flags: u32,
    /// Zero.
    pub _pad: u32,
}

/// `SpanIds::flags`: the W3C `sampled` flag.
pub const IDS_SAMPLED: u32 = 0x01;
/// `SpanIds::flags`: trace and parent came from the caller's `traceparent`.
pub const IDS_REMOTE_PARENT: u32 = 0x100;

/// A span that has started and not ended, keyed by [`GoroutineKey`].
///
/// # Units `start_ns` monotonic clock
/// # Layout 64 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSpan {
    /// Identity.
    pub ids: SpanIds,
    /// `CLOCK_MONOTONIC` at the start probe.
    pub start_ns: u64,
    /// Address of the object both ends see (`*http.Request`, `*transport.ServerStream`); compared, never followed.
    pub object: u64,
    /// `OPEN_*`.
    pub kind: u32,
    /// GC cycles finished when it started, 0 where they are not counted.
    pub gc_cycles: u32,
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<TargetRef>() == 8);
    assert!(size_of::<GoroutineKey>() == 16);
    assert!(offset_of!(GoroutineKey, goid) == 8);
    assert!(size_of::<SpanIds>() == 40);
    assert!(offset_of!(SpanIds, flags) == 32);
    assert!(size_of::<OpenSpan>() == 64);
    assert!(offset_of!(OpenSpan, start_ns) == 40);
};
