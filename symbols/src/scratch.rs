//! Room for sections that come out of compression, given by the caller: the crate itself does no I/O.

use std::fmt;
use std::io::{self, Write};

/// Bytes that a [`Scratch`] keeps; dropping them gives the room back.
pub type Kept = Box<dyn AsRef<[u8]> + Send + Sync>;

/// Writes the bytes to be kept, in pieces.
pub type Fill<'f> = &'f mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// Keeps bytes outside the process's own memory, or in it.
///
/// A file-backed scratch writes to an unlinked file and answers a mapping of it, so that the kernel can
/// take the pages back; [`MemoryScratch`] is for tests and small tools.
pub trait Scratch: fmt::Debug + Send + Sync {
    /// Calls `fill` once with a writer, and keeps what it wrote.
    ///
    /// `len` is the size the file states, as yet unproved: room may be reserved for it, but memory must
    /// grow with what is written only. `fill` writes in pieces of at most 64 KiB and never more than `len`
    /// bytes in total.
    ///
    /// # Errors
    /// Whatever `fill` answers, unchanged; else what keeping the bytes met, where
    /// [`io::ErrorKind::StorageFull`] means that there is no room for them.
    fn keep(&self, len: u64, fill: Fill<'_>) -> io::Result<Kept>;
}

/// Keeps bytes in memory.
#[derive(Debug, Clone, Copy)]
pub struct MemoryScratch {
    /// Longest section that is kept, in bytes.
    pub most: u64,
}

/// What [`crate::GoBinary::parse`] uses.
pub(crate) static MEMORY: MemoryScratch = MemoryScratch { most: 256 << 20 };

impl Default for MemoryScratch {
    fn default() -> Self {
        MEMORY
    }
}

impl Scratch for MemoryScratch {
    fn keep(&self, len: u64, fill: Fill<'_>) -> io::Result<Kept> {
        if len > self.most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut kept = Vec::new();
        fill(&mut kept)?;
        Ok(Box::new(kept))
    }
}
