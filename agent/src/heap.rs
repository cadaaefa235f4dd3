//! The heap of the process: what is freed is cleared first.
//!
//! A secret passes through buffers of many libraries on its way from a sealed document to a program: a JSON tree,
//! a body, a header, a queue of TLS records. None of them clears what it frees, and none could clear what grows and
//! moves. So the heap does, for all of them.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    arch::asm,
};

/// The system's heap, which overwrites memory before it is given back.
///
/// What grows is always moved, as the provided `realloc` does: the system's would leave a copy behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clearing;

// SAFETY: all memory is the system's, and each call is passed on with what it was called with.
unsafe impl GlobalAlloc for Clearing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller owns these bytes and nobody reads them any more.
        unsafe { memory.write_bytes(0, layout.size()) };
        // SAFETY: no instruction; to the compiler it may read the memory. It knows otherwise that nobody reads what
        // is freed, and leaves the write out.
        unsafe { asm!("/* {0} */", in(reg) memory, options(nostack, preserves_flags)) };
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(memory, layout) }
    }
}
