//! gRPC server calls.

use super::{EventHeader, gc::SpanGc};
use crate::target::SpanIds;

/// Longest full method (`/package.Service/Method`) kept, in bytes.
pub const METHOD_BYTES: usize = 128;

/// One finished gRPC server call.
///
/// # Units  `start_ns`, `header.time_ns` monotonic
/// # Source go-sym: google.golang.org/grpc/internal/transport.(*http2Server).writeStatus 1.69..=1.83 http2_server.go
/// # Layout 232 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct GrpcServerEvent {
    /// `KIND_GRPC_SERVER`; its time is the end of the call.
    pub header: EventHeader,
    /// Identity.
    pub ids: SpanIds,
    /// Start of the handler.
    pub start_ns: u64,
    /// What the garbage collector did meanwhile.
    pub gc: SpanGc,
    /// gRPC status code.
    pub status: u32,
    /// Length of the method.
    pub method_length: u32,
    /// `/package.Service/Method`.
    pub method: [u8; METHOD_BYTES],
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<GrpcServerEvent>() == 232);
    assert!(offset_of!(GrpcServerEvent, start_ns) == 72);
    assert!(offset_of!(GrpcServerEvent, method) == 104);
};
