//! The process that reads a target's binary, and that can do nothing else.
//!
//! The agent starts its own program again under the name [`NAME`] with three descriptors:
//!
//! ```text
//! 0  the binary, opened by the agent through /proc/PID/exe
//! 1  a pipe for the answer
//! 2  a scratch file without a name
//! ```
//!
//! and three arguments: the question ([`Task`]), the capacity of the scratch file in bytes, and the pid of
//! the agent; a fourth lists the addresses of a question for lines. It gives up all rights (`confine.rs`), maps the binary, answers once (`wire.rs`) and ends.
//! The file belongs to somebody else: one that is cut short while it is mapped ends this process, not the
//! agent.

mod confine;
mod filter;
mod scratch;

use std::{
    env,
    fs::File,
    io::{self, Write as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, RawFd},
        unix::ffi::OsStrExt as _,
    },
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    time::Duration,
};

use memmap2::MmapOptions;
use symbols::{GoBinary, Limits};

use self::scratch::FileScratch;
use super::{
    binary,
    error::NOT_MAPPABLE,
    lines::{self, LinesAnswer},
    report::Report,
    sandbox::ON_DISK,
    wire::{self, Answer},
};

pub(super) use self::confine::CPU_SECONDS;

/// `argv[0]` of the child.
pub(super) const NAME: &str = "golens-resolver";

/// What is asked of a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// What the agent needs to attach.
    Binary,
    /// Everything, for people.
    Report,
    /// Functions and source lines of these addresses, as linked.
    Lines(Vec<u64>),
}

impl Task {
    /// The word for it on the command line.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Report => "report",
            Self::Lines(_) => "lines",
        }
    }

    /// What stands behind the other arguments.
    pub(super) fn argument(&self) -> Option<String> {
        match self {
            Self::Binary | Self::Report => None,
            Self::Lines(addresses) => Some(lines::to_argument(addresses)),
        }
    }
}

/// Runs as the child when this process was started as one, and tells its exit status.
#[must_use]
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = env::args_os();
    if arguments.next()?.as_bytes() != NAME.as_bytes() {
        return None;
    }
    let word = arguments.next()?;
    let capacity = arguments.next()?.to_str()?.parse().ok()?;
    let parent = arguments.next()?.to_str()?.parse().ok()?;
    let task = match word.to_str()? {
        "binary" => Task::Binary,
        "report" => Task::Report,
        "lines" => Task::Lines(lines::from_argument(arguments.next()?.to_str()?)?),
        _ => return None,
    };
    Some(run(task, capacity, parent))
}

fn run(task: Task, capacity: u64, parent: u32) -> ExitCode {
    // Whatever it says goes into the answer; descriptor 2 is not for text.
    panic::set_hook(Box::new(|_| {}));
    let (binary, mut pipe, scratch) = (descriptor(0), descriptor(1), descriptor(2));
    let answer = match regular_file_size(&binary) {
        Err(error) => Answer::unconfined("look at the file", &error),
        Ok(size) => match confine::confine(size, capacity, parent) {
            Err((step, error)) => Answer::unconfined(step, &error),
            Ok(()) => answer(|| examine(task, &binary, size, scratch, capacity)),
        },
    };
    match pipe.write_all(&wire::encode(&answer)) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody listens any more.
        Err(_) => ExitCode::FAILURE,
    }
}

/// Takes a descriptor over that the agent has put there.
fn descriptor(number: RawFd) -> File {
    // SAFETY: called once for each of the three descriptors of this process, which nothing else uses.
    unsafe { File::from_raw_fd(number) }
}

/// By a plain `fstat`, which reads nothing.
fn regular_file_size(file: &File) -> io::Result<u64> {
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok(metadata.len())
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// A panic is an answer, too.
fn answer(examine: impl FnOnce() -> Answer) -> Answer {
    panic::catch_unwind(AssertUnwindSafe(examine)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        Answer::Panicked {
            message: text.unwrap_or("a panic without words").to_owned(),
        }
    })
}

fn examine(task: Task, file: &File, size: u64, scratch: File, capacity: u64) -> Answer {
    let refused = |kind: &str, message: String| Answer::Refused {
        kind: kind.to_owned(),
        message,
    };
    let Ok(length) = usize::try_from(size) else {
        return refused(
            "limit",
            "it is larger than this machine's memory".to_owned(),
        );
    };
    let mut options = MmapOptions::new();
    options.len(length);
    // SAFETY: read-only; a file that is cut short ends this process with SIGBUS, which is what it is for.
    let bytes = match unsafe { options.map(file.as_raw_fd()) } {
        Ok(bytes) => bytes,
        Err(error) => return refused(NOT_MAPPABLE, format!("it cannot be mapped: {error}")),
    };
    let limits = Limits {
        expanded_bytes: ON_DISK,
        // The agent holds the clock. An answer that a busy machine cut short would be kept as the whole.
        time: Duration::MAX,
        ..Limits::default()
    };
    let scratch = FileScratch::new(scratch, capacity);
    let answer = match GoBinary::parse_with(&bytes, limits, &scratch) {
        Err(error) => refused(error.error_type(), error.to_string()),
        Ok(go) => match task {
            Task::Binary => Answer::Binary(Box::new(binary::resolve(&go))),
            Task::Report => Answer::Report(Box::new(Report::of(&go, size))),
            Task::Lines(addresses) => Answer::Lines(LinesAnswer::of(&go, &addresses)),
        },
    };
    match scratch.shortage() {
        None => answer,
        // It would be kept as what there is to know of the file.
        Some(message) => Answer::NoScratch { message },
    }
}
