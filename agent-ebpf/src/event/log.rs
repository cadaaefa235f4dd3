//! Log writes.

use super::EventHeader;
use crate::{limits::LOG_CALLERS, target::SpanIds};

/// Record sizes of the ring for one write, header included; the smallest that fits is used.
pub const LOG_CLASSES: [usize; 5] = [256, 1024, 4096, 16_384, 65_536];

/// The fixed part of one write to stdout or stderr; `captured` bytes follow it.
///
/// # Source go-sym: os.(*File).Write 1.17..=1.27 file.go
/// # Layout 120 bytes
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LogHead {
    /// `KIND_LOG`; `size` covers the captured bytes.
    pub header: EventHeader,
    /// The span open on the writing goroutine; trace id all zero when there is none.
    pub ids: SpanIds,
    /// Return addresses of the writer's callers, innermost first; 0 ends the list.
    pub callers: [u64; LOG_CALLERS],
    /// File descriptor: 1 or 2.
    pub fd: u32,
    /// Bytes the program wrote.
    pub length: u32,
    /// Bytes of it behind this head.
    pub captured: u32,
    /// Zero.
    pub _pad: u32,
}

/// Size of [`LogHead`] in bytes.
pub const LOG_HEAD_BYTES: usize = 120;

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<LogHead>() == LOG_HEAD_BYTES);
    assert!(offset_of!(LogHead, callers) == 72);
    assert!(offset_of!(LogHead, fd) == 104);
};
