//! Start, signals and exit of processes of this test.

use std::{
    fs::File,
    io,
    os::{
        fd::AsRawFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Command, ExitStatus},
    time::Duration,
};

use super::{cgroup::Cgroup, fixed_pid::write_zero, wait::wait_for};

/// Starts a command, inside a group before its first instruction, and returns its process id; the
/// caller waits for it by that id.
///
/// # Panics
/// When it cannot be started.
pub(super) fn spawn(mut command: Command, cgroup: Option<&Cgroup>) -> u32 {
    if let Some(cgroup) = cgroup {
        let procs = open_procs(cgroup);
        let join = move || {
            if write_zero(procs.as_raw_fd()) {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        };
        // SAFETY: the closure makes one system call on a descriptor opened before the fork.
        unsafe { command.pre_exec(join) };
    }
    command
        .spawn()
        .unwrap_or_else(|e| panic!("start {command:?}: {e}"))
        .id()
}

/// Opens the file through which processes join a group.
pub(super) fn open_procs(cgroup: &Cgroup) -> File {
    let path = cgroup.procs();
    File::options()
        .write(true)
        .open(&path)
        .unwrap_or_else(|e| panic!("open {path:?}: {e}"))
}

/// Sends a signal to one process; one that is gone already is fine.
///
/// # Panics
/// When the process belongs to someone else or the signal does not exist.
pub(super) fn kill(pid: u32, signal: i32) {
    let id = as_id(pid);
    // SAFETY: kill has no memory arguments, and `id` is positive, so one process is meant.
    if unsafe { libc::kill(id, signal) } != 0 {
        let error = io::Error::last_os_error();
        assert_eq!(
            error.raw_os_error(),
            Some(libc::ESRCH),
            "kill {pid}: {error}"
        );
    }
}

/// Takes the exit status of a child if it has ended; `None` while it runs or when it is no child.
pub(super) fn reap(pid: u32) -> Option<ExitStatus> {
    let mut status = 0;
    // SAFETY: `status` outlives the call, and a positive id waits for that child only.
    let ended = unsafe { libc::waitpid(as_id(pid), &raw mut status, libc::WNOHANG) };
    (ended > 0).then(|| ExitStatus::from_raw(status))
}

/// Waits for a child to end.
///
/// # Panics
/// When it still runs after `within`.
pub(super) fn wait_exit(what: &str, pid: u32, within: Duration) -> ExitStatus {
    wait_for(&format!("the end of {what} (pid {pid})"), within, || {
        reap(pid)
    })
}

fn as_id(pid: u32) -> libc::pid_t {
    let id = libc::pid_t::try_from(pid).unwrap_or(0);
    assert!(id > 1, "{pid} is no id of a process to signal or wait for");
    id
}
