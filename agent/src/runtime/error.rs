//! Why a target's memory could not be read.

use std::io;

use crate::discovery::RefusedReason;

/// Why a reading failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The process has ended, or runs another program; drop its reader.
    #[error("process {pid} {reason}")]
    Gone {
        /// The process.
        pid: u32,
        /// What became of it.
        reason: RefusedReason,
    },
    /// The agent lacks CAP_SYS_PTRACE, or Yama forbids it.
    #[error("golens may not read the memory of process {pid} (it needs CAP_SYS_PTRACE)")]
    Denied {
        /// The process.
        pid: u32,
    },
    /// An address from the binary is not mapped in the process.
    #[error("address {address:#x} is not readable in process {pid}")]
    Unmapped {
        /// The process.
        pid: u32,
        /// The first address that could not be read.
        address: u64,
    },
    /// A value read makes no sense, such as more processors than a machine can have.
    #[error("{what} of process {pid} is {value}, which cannot be")]
    Nonsense {
        /// The process.
        pid: u32,
        /// The variable.
        what: &'static str,
        /// What was read.
        value: u64,
    },
    /// The kernel refused in another way.
    #[error("cannot read the memory of process {pid}")]
    Io {
        /// The process.
        pid: u32,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl ReadError {
    /// A word from a fixed set, for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Gone { reason, .. } => reason.error_type(),
            Self::Denied { .. } => "permission_denied",
            Self::Unmapped { .. } => "unmapped",
            Self::Nonsense { .. } => "nonsense",
            Self::Io { .. } => "io",
        }
    }
}
