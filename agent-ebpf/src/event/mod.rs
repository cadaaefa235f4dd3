//! Records of the event ring and of the process ring.

pub mod gc;
pub mod grpc;
pub mod http;
pub mod log;
pub mod process;

use crate::target::TargetRef;

/// `EventHeader::kind`: [`http::HttpServerEvent`].
pub const KIND_HTTP_SERVER: u32 = 1;
/// `EventHeader::kind`: [`grpc::GrpcServerEvent`].
pub const KIND_GRPC_SERVER: u32 = 2;
/// `EventHeader::kind`: [`gc::GcStopEvent`].
pub const KIND_GC_STOP: u32 = 3;
/// `EventHeader::kind`: [`log::LogHead`] and the bytes behind it.
pub const KIND_LOG: u32 = 4;

/// The start of every record of the event ring.
///
/// # Units `time_ns` `CLOCK_MONOTONIC` at the probe
/// # Layout 32 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// `KIND_*`.
    pub kind: u32,
    /// Bytes of the record in use, header included.
    pub size: u32,
    /// The process, in the incarnation that hit the probe.
    pub target: TargetRef,
    /// When.
    pub time_ns: u64,
    /// Goroutine, 0 when it is the runtime's own.
    pub goid: u64,
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<EventHeader>() == 32);
    assert!(offset_of!(EventHeader, target) == 8);
    assert!(offset_of!(EventHeader, time_ns) == 16);
};
