//! Why a process in scope is not instrumented.

use std::io;

/// Why a process cannot become a target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedReason {
    /// Nothing to tell: most processes are no Go programs.
    #[error("is no Go program")]
    NotGo,
    /// It ended while it was looked at.
    #[error("has ended")]
    Exited,
    /// Another process or program has its pid now.
    #[error("was replaced by another program while it was looked at")]
    Replaced,
    /// Its clocks run apart from those of the agent, so no time read from it could be placed.
    #[error(
        "runs in a time namespace whose monotonic clock is {seconds} s and {nanoseconds} ns away from golens'"
    )]
    TimeNamespace {
        /// Whole seconds between the two clocks.
        seconds: i64,
        /// Nanoseconds between the two clocks, besides the seconds.
        nanoseconds: i64,
    },
    /// The agent lacks a right.
    #[error(
        "golens may not {action}; with CAP_SYS_PTRACE it may, unless a security module forbids it: {source}"
    )]
    Denied {
        /// What was tried.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Looking at it failed in another way.
    #[error("golens could not {action}: {source}")]
    Failed {
        /// What was tried.
        action: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl RefusedReason {
    /// A word from a fixed set, for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::NotGo => "not_go",
            Self::Exited => "exited",
            Self::Replaced => "replaced",
            Self::TimeNamespace { .. } => "time_namespace",
            Self::Denied { .. } => "permission_denied",
            Self::Failed { .. } => "io",
        }
    }

    /// Sorts an error of the kernel while `action` was tried on a process.
    pub(crate) fn from_io(action: &'static str, source: io::Error) -> Self {
        match source.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => Self::Exited,
            Some(libc::EACCES | libc::EPERM) => Self::Denied { action, source },
            _ => Self::Failed { action, source },
        }
    }
}
