//! What can be wrong with a snapshot.

use std::io;

use thiserror::Error;

use crate::{EngineError, WriteError};

/// Why a snapshot was not written or not restored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The stream does not begin as a snapshot does.
    #[error("this is no snapshot, or one of another format")]
    NotASnapshot,
    /// The stream ends too early.
    #[error("the snapshot ends after {bytes} bytes, in the middle")]
    Truncated {
        /// Bytes that were there.
        bytes: u64,
    },
    /// The stream goes on behind its end.
    #[error("the snapshot goes on behind its end at byte {bytes}")]
    Trailing {
        /// Where it should have ended.
        bytes: u64,
    },
    /// A length is impossible.
    #[error("a row at byte {at} claims {length} bytes")]
    Length {
        /// Where the row begins.
        at: u64,
        /// What it claims.
        length: u32,
    },
    /// The number of rows is not that of the trailer.
    #[error("the snapshot has {found} rows and claims {claimed}")]
    Rows {
        /// Rows that were there.
        found: u64,
        /// What the trailer says.
        claimed: u64,
    },
    /// The hash does not match: some byte is not what was written.
    #[error("the hash of the snapshot does not match")]
    Hash,
    /// Input or output failed.
    #[error("input or output failed")]
    Io(#[from] io::Error),
    /// The engine failed.
    #[error("the state could not be read or written")]
    Engine(#[from] EngineError),
    /// The store did not take it.
    #[error(transparent)]
    Write(#[from] WriteError),
}
