//! Why a binary gave no answer.

use std::{fmt, io, path::PathBuf, time::Duration};

/// What the child may say of a file; any other word of it counts as `unusable`.
const REFUSALS: [&str; 15] = [
    "not_elf",
    "unsupported_format",
    "unsupported_machine",
    "not_executable",
    "malformed",
    "not_go",
    "truncated",
    "no_release",
    "unknown_version",
    "too_old",
    "limit",
    "packed",
    "obfuscated",
    "not_regular",
    NOT_MAPPABLE,
];
/// The one among them that says nothing of the file.
pub(super) const NOT_MAPPABLE: &str = "not_mappable";

/// Why a binary cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// It is no Go program that golens can read.
    #[error("{message}")]
    Refused {
        /// From a fixed set.
        kind: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// It is larger than any real program.
    #[error("it has {bytes} bytes, more than the {limit} that are looked at")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The bound.
        limit: u64,
    },
    /// Its bytes cannot be read.
    #[error("it cannot be read: {source}")]
    Read {
        /// The kernel's answer.
        source: io::Error,
    },
    /// It is not any more what it was when it was opened.
    #[error("it was changed while it was read")]
    Changed,
    /// No process could be started to read it.
    #[error("the process that reads it cannot be started: {source}")]
    Start {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The process that was to read it could not give up its rights, and so read nothing.
    #[error("the process that reads it could not give up its rights: {step}: {message}")]
    Unconfined {
        /// What failed.
        step: String,
        /// The kernel's answer.
        message: String,
    },
    /// Its compressed sections found no room, so nothing certain can be said of it.
    #[error(
        "there is no room to expand its debugging information in {}, or in memory where that takes no \
         files: {message}; point TMPDIR to a directory on a disk with 1 GiB to spare",
        directory.display()
    )]
    NoScratch {
        /// Where room was looked for.
        directory: PathBuf,
        /// What was short.
        message: String,
    },
    /// Reading it took too long by the clock.
    #[error("it was not read within {} s", limit.as_secs())]
    Timeout {
        /// The bound.
        limit: Duration,
    },
    /// Reading it took more processor time than any real program does.
    #[error("reading it takes more processor time than the {} s that are allowed", limit.as_secs())]
    CpuLimit {
        /// The bound.
        limit: Duration,
    },
    /// The process that read it made a system call that it may not make.
    #[error("the process that read it tried a system call it may not make, and was ended")]
    ForbiddenCall,
    /// The process that read it was killed from outside, or because memory ran out.
    #[error("the process that read it was killed, by somebody or for want of memory")]
    Killed,
    /// The process that read it came to grief.
    #[error("the process that read it ended: {}", Signal(*signal))]
    Crashed {
        /// The signal that ended it, 0 when it ended by itself without an answer.
        signal: i32,
    },
    /// The code that read it found itself in an impossible state.
    #[error("the code that read it failed: {message}")]
    Panicked {
        /// Where, and what it said.
        message: String,
    },
    /// The answer does not make sense, so nothing of it is used.
    #[error("the answer about it cannot be believed: {problem}")]
    BadAnswer {
        /// What is wrong with it.
        problem: String,
    },
}

impl ResolveError {
    /// The child's own verdict on a file.
    pub(super) fn refused(kind: &str, message: String) -> Self {
        let known = REFUSALS.iter().find(|known| **known == kind);
        Self::Refused {
            kind: known.copied().unwrap_or("unusable"),
            message,
        }
    }

    /// Bounded word for metrics and logs.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Refused { kind, .. } => kind,
            Self::TooLarge { .. } => "too_large",
            Self::Read { .. } => "read",
            Self::Changed => "changed",
            Self::Start { .. } => "start",
            Self::Unconfined { .. } => "unconfined",
            Self::NoScratch { .. } => "no_scratch",
            Self::Timeout { .. } => "timeout",
            Self::CpuLimit { .. } => "cpu_limit",
            Self::ForbiddenCall => "forbidden_call",
            Self::Killed => "killed",
            Self::Crashed { .. } => "crashed",
            Self::Panicked { .. } => "panicked",
            Self::BadAnswer { .. } => "bad_answer",
        }
    }

    /// Whether the same file may give another answer later: the failure lies in the machine's state,
    /// not in the file.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Read { .. }
            | Self::Changed
            | Self::Start { .. }
            | Self::Unconfined { .. }
            | Self::NoScratch { .. }
            | Self::Timeout { .. }
            // Both depend on what else the machine does, and on how fast it is.
            | Self::CpuLimit { .. }
            | Self::Killed => true,
            // An allocation failed.
            Self::Crashed { signal } => *signal == libc::SIGABRT,
            // Address space or a file system that maps nothing: not what the file holds.
            Self::Refused { kind, .. } => *kind == NOT_MAPPABLE,
            Self::TooLarge { .. }
            | Self::ForbiddenCall
            | Self::Panicked { .. }
            | Self::BadAnswer { .. } => false,
        }
    }
}

/// What a signal means for a process that only computes.
struct Signal(i32);

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("without an answer"),
            // Rust aborts when an allocation fails.
            libc::SIGABRT => f.write_str("it needed more memory than it may have (SIGABRT)"),
            libc::SIGSEGV => f.write_str("it reached memory that is not its own (SIGSEGV)"),
            other => write!(f, "signal {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_child_is_one_of_a_fixed_set() {
        let known = ResolveError::refused("too_old", String::new());
        assert_eq!(known.error_type(), "too_old");
        let unknown = ResolveError::refused("series_1234", String::new());
        assert_eq!(unknown.error_type(), "unusable");
    }

    #[test]
    fn want_of_memory_time_or_room_may_pass() {
        let limit = Duration::from_secs(10);
        let no_scratch = ResolveError::NoScratch {
            directory: "/tmp".into(),
            message: String::new(),
        };
        for error in [
            ResolveError::CpuLimit { limit },
            ResolveError::Crashed {
                signal: libc::SIGABRT,
            },
            ResolveError::refused(NOT_MAPPABLE, String::new()),
            no_scratch,
        ] {
            assert!(error.is_transient(), "{error}");
        }
        for error in [
            ResolveError::Crashed {
                signal: libc::SIGSEGV,
            },
            ResolveError::refused("not_go", String::new()),
        ] {
            assert!(!error.is_transient(), "{error}");
        }
    }
}
