//! HTTP server requests.

use super::{EventHeader, gc::SpanGc};
use crate::target::SpanIds;

/// Longest method kept, in bytes.
pub const METHOD_BYTES: usize = 16;
/// Longest request URI kept, in bytes.
pub const URI_BYTES: usize = 192;
/// Longest `Host` kept, in bytes.
pub const HOST_BYTES: usize = 64;
/// Longest route pattern kept, in bytes.
pub const PATTERN_BYTES: usize = 96;
/// Longest remote address kept, in bytes.
pub const REMOTE_BYTES: usize = 48;

/// One finished HTTP/1 server request.
///
/// Text fields hold the first bytes; `*_length` is the full length, so a longer text shows as cut.
///
/// # Units  `start_ns`, `header.time_ns` monotonic; `written` bytes of the response body
/// # Source go-sym: net/http.(*response).finishRequest 1.17..=1.27 server.go
/// # Layout 552 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HttpServerEvent {
    /// `KIND_HTTP_SERVER`; its time is the end of the request.
    pub header: EventHeader,
    /// Identity.
    pub ids: SpanIds,
    /// Start of the handler.
    pub start_ns: u64,
    /// What the garbage collector did meanwhile.
    pub gc: SpanGc,
    /// `response.written`, -1 when unknown.
    pub written: i64,
    /// `response.status`; 0 means that the handler wrote none, which is 200.
    pub status: u32,
    /// Length of `Request.Method`.
    pub method_length: u32,
    /// Length of `Request.RequestURI`.
    pub uri_length: u32,
    /// Length of `Request.Host`.
    pub host_length: u32,
    /// Length of `Request.Pattern`; `u32::MAX` when this Go version has none.
    pub pattern_length: u32,
    /// Length of `Request.RemoteAddr`.
    pub remote_length: u32,
    /// 1 when the connection is encrypted (`Request.TLS` is not nil).
    pub tls: u32,
    /// Zero.
    pub _pad: u32,
    /// `Request.Method`.
    pub method: [u8; METHOD_BYTES],
    /// `Request.RequestURI`, path and query as the client sent them.
    pub uri: [u8; URI_BYTES],
    /// `Request.Host`.
    pub host: [u8; HOST_BYTES],
    /// `Request.Pattern`.
    pub pattern: [u8; PATTERN_BYTES],
    /// `Request.RemoteAddr`.
    pub remote: [u8; REMOTE_BYTES],
}

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<HttpServerEvent>() == 552);
    assert!(offset_of!(HttpServerEvent, ids) == 32);
    assert!(offset_of!(HttpServerEvent, start_ns) == 72);
    assert!(offset_of!(HttpServerEvent, method) == 136);
};
