//! Starts the child that reads a binary, and takes its answer or the reason why there is none.
//!
//! The child is this very program, started again through `/proc/self/exe`, so that it is the same one
//! even when its file was replaced. Nothing happens between fork and exec (the standard library uses
//! `posix_spawn` then), so the size of the agent does not matter and its threads are no danger.

use std::{
    fs::File,
    io::{self, Read as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd},
        unix::{
            fs::OpenOptionsExt as _,
            process::{CommandExt as _, ExitStatusExt as _},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use super::{
    ResolveError,
    child::{CPU_SECONDS, NAME, Task},
    wire::{self, Answer, MAX_ANSWER},
};
use crate::discovery::PidFd;

/// How long a child may take by the clock: six times the processor time it may use, for it lets others
/// compute first.
pub(super) const PATIENCE: Duration = Duration::from_secs(6 * CPU_SECONDS);
/// Bytes a child may keep in a file. The largest real programs have 738 MB of debugging information.
pub(super) const ON_DISK: u64 = 1 << 30;
/// Bytes a child may keep where files are memory, or none can be made.
const IN_MEMORY: u64 = 64 << 20;

/// Starts children.
#[derive(Clone, Debug)]
pub struct Sandbox {
    program: PathBuf,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::of("/proc/self/exe")
    }
}

impl Sandbox {
    /// Children run this program, which must be golens; tests are another one.
    #[must_use]
    pub fn of(program: impl AsRef<Path>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
        }
    }

    /// Asks a child about a binary. Blocks until it has ended.
    pub(super) fn ask(&self, task: &Task, binary: &File) -> Result<Answer, ResolveError> {
        let mut running = self.start(task, binary)?;
        let heard = running.listen(Instant::now() + PATIENCE)?;
        match heard {
            Heard::All(answer, status) if status.success() => {
                wire::decode(&answer).map_err(|problem| ResolveError::BadAnswer { problem })
            }
            Heard::All(_, status) => Err(ended(status)),
            Heard::TooMuch => Err(ResolveError::BadAnswer {
                problem: format!("it is longer than {MAX_ANSWER} bytes"),
            }),
            Heard::TooLate => Err(ResolveError::Timeout { limit: PATIENCE }),
        }
    }

    fn start(&self, task: &Task, binary: &File) -> Result<Running, ResolveError> {
        let start = || {
            let (scratch, capacity) = scratch_file()?;
            let child = Command::new(&self.program)
                .arg0(NAME)
                .args([
                    task.word(),
                    &capacity.to_string(),
                    &std::process::id().to_string(),
                ])
                .args(task.argument())
                .env_clear()
                .stdin(Stdio::from(binary.try_clone()?))
                .stdout(Stdio::piped())
                .stderr(Stdio::from(scratch))
                .spawn()?;
            let mut running = Running {
                child,
                handle: None,
            };
            running.handle = Some(PidFd::open(running.child.id())?);
            Ok(running)
        };
        start().map_err(|source| ResolveError::Start { source })
    }
}

/// A file without a name, and the bytes it may hold; in memory where no directory takes one.
pub(super) fn scratch_file() -> io::Result<(File, u64)> {
    let on_disk = File::options()
        .read(true)
        .write(true)
        .mode(0o600)
        // With O_EXCL it can never get a name.
        .custom_flags(libc::O_TMPFILE | libc::O_EXCL)
        .open(std::env::temp_dir());
    match on_disk {
        Ok(file) => {
            let capacity = if is_in_memory(&file)? {
                IN_MEMORY
            } else {
                ON_DISK
            };
            Ok((file, capacity))
        }
        Err(_) => Ok((memory_file()?, IN_MEMORY)),
    }
}

/// What is written to a tmpfs counts as memory of the agent's service.
fn is_in_memory(file: &File) -> io::Result<bool> {
    let mut about = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the descriptor is open, and `about` is writable and of the type the call fills.
    if unsafe { libc::fstatfs(file.as_raw_fd(), about.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it is filled.
    let about = unsafe { about.assume_init() };
    Ok(about.f_type == libc::TMPFS_MAGIC)
}

fn memory_file() -> io::Result<File> {
    use std::os::fd::{FromRawFd as _, OwnedFd};
    // SAFETY: the name is a C string that outlives the call.
    let fd = unsafe { libc::memfd_create(c"golens-scratch".as_ptr(), libc::MFD_CLOEXEC) };
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, and nothing else holds it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// What came out of a child.
enum Heard {
    All(Vec<u8>, ExitStatus),
    TooMuch,
    TooLate,
}

/// A child that has not been waited for; ended when dropped.
struct Running {
    child: Child,
    handle: Option<PidFd>,
}

impl Running {
    /// Reads until the child closes the pipe, then waits for its end.
    fn listen(&mut self, deadline: Instant) -> Result<Heard, ResolveError> {
        self.read(deadline)
            .map_err(|source| ResolveError::Read { source })
    }

    fn read(&mut self, deadline: Instant) -> io::Result<Heard> {
        let mut answer = Vec::new();
        let mut chunk = [0; 16 << 10];
        if let Some(mut pipe) = self.child.stdout.take() {
            loop {
                if !readable(pipe.as_fd(), deadline)? {
                    return Ok(Heard::TooLate);
                }
                let length = pipe.read(&mut chunk)?;
                if length == 0 {
                    break;
                }
                answer.extend_from_slice(chunk.get(..length).unwrap_or_default());
                if answer.len() > MAX_ANSWER {
                    return Ok(Heard::TooMuch);
                }
            }
        }
        // It may have closed the pipe and go on.
        if let Some(handle) = &self.handle
            && !readable(handle.as_fd(), deadline)?
        {
            return Ok(Heard::TooLate);
        }
        Ok(Heard::All(answer, self.child.wait()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Until it is waited for, its pid is not reused. One that was waited for is left alone.
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
            tracing::warn!(pid = self.child.id(), %error, "cannot end a resolver");
        }
    }
}

/// Waits until there is something to read, or the end; `false` when the deadline comes first.
fn readable(descriptor: BorrowedFd<'_>, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut poll = libc::pollfd {
            fd: descriptor.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let milliseconds = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: `poll` is one valid pollfd.
        match unsafe { libc::poll(&raw mut poll, 1, milliseconds) } {
            -1 => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
            ready => return Ok(ready > 0),
        }
    }
}

/// What an end without an answer means.
fn ended(status: ExitStatus) -> ResolveError {
    match status.signal() {
        Some(libc::SIGSYS) => ResolveError::ForbiddenCall,
        Some(libc::SIGXCPU) => ResolveError::CpuLimit {
            limit: Duration::from_secs(CPU_SECONDS),
        },
        // The file ended before its mapping did.
        Some(libc::SIGBUS) => ResolveError::Changed,
        Some(libc::SIGKILL) => ResolveError::Killed,
        signal => ResolveError::Crashed {
            signal: signal.unwrap_or(0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_memory_are_known_as_such() {
        assert!(is_in_memory(&memory_file().expect("a file")).expect("told"));
        let on_disk = File::open("/proc/self/exe").expect("open");
        assert!(!is_in_memory(&on_disk).expect("told"));
    }
}
