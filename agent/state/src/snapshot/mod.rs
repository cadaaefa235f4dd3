//! Snapshots: the whole state as one stream that can be verified.
//!
//! Layout: 8 bytes `GOLENSS1`, revision (u64), then for each row the lengths of key and value (u32, u32), key,
//! value; a key of length 0 ends them, with the number of rows (u64) and the SHA-256 of all bytes before the
//! hash; integers big-endian.

mod error;
mod files;
mod reader;
mod writer;

pub use error::SnapshotError;
pub(crate) use files::{keep, kept};
pub(crate) use reader::Verified;
pub use writer::Summary;
pub(crate) use writer::write;

/// What a snapshot begins with: kind of file and version of its layout.
const MAGIC: &[u8; 8] = b"GOLENSS1";

/// A longer key or value is no row of ours.
const LONGEST: u32 = 64 << 20;
