//! Starting a program under a process id of one's choice.

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, RawFd},
    ptr,
};

/// Everything the child needs, prepared before it exists: between clone and exec it may not allocate.
pub(super) struct Prepared {
    arguments: Vec<CString>,
    environment: Vec<CString>,
    procs: std::fs::File,
    stdout: std::fs::File,
    stderr: std::fs::File,
}

impl Prepared {
    pub(super) fn new(
        arguments: Vec<CString>,
        environment: Vec<CString>,
        procs: std::fs::File,
        stdout: std::fs::File,
        stderr: std::fs::File,
    ) -> Self {
        Self {
            arguments,
            environment,
            procs,
            stdout,
            stderr,
        }
    }

    /// Starts the program as process `pid`, which must be free.
    ///
    /// # Since Linux 5.5 (`clone3` with `set_tid`); needs root
    pub(super) fn start(&self, pid: u32) -> io::Result<()> {
        let argv = pointers(&self.arguments);
        let envp = pointers(&self.environment);
        let wanted = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
        let mut request = CloneArgs {
            exit_signal: libc::SIGCHLD as u64,
            set_tid: &raw const wanted as u64,
            set_tid_size: 1,
            ..CloneArgs::default()
        };
        // SAFETY: without CLONE_VM the child has its own copy of this process; `request` and `wanted`
        // live until the call returns.
        let child =
            unsafe { libc::syscall(libc::SYS_clone3, &raw mut request, size_of::<CloneArgs>()) };
        match child {
            -1 => Err(io::Error::last_os_error()),
            0 => self.become_program(&argv, &envp),
            _ => Ok(()),
        }
    }

    /// The child's part: only system calls on memory prepared before.
    fn become_program(&self, argv: &[*const libc::c_char], envp: &[*const libc::c_char]) -> ! {
        let joined = write_zero(self.procs.as_raw_fd());
        let output = replace(self.stdout.as_raw_fd(), 1) && replace(self.stderr.as_raw_fd(), 2);
        if joined && output {
            // SAFETY: both arrays end with a null pointer and point to strings `self` keeps.
            unsafe { libc::execve(argv[0], argv.as_ptr(), envp.as_ptr()) };
        }
        // SAFETY: ends this process without running anything of the parent's.
        unsafe { libc::_exit(127) }
    }
}

/// `struct clone_args` of the first version that has `set_tid`.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// Joins the control group whose `cgroup.procs` is open: 0 stands for the writer itself.
pub(super) fn write_zero(procs: RawFd) -> bool {
    // SAFETY: one byte of a constant is read.
    unsafe { libc::write(procs, c"0".as_ptr().cast(), 1) == 1 }
}

fn replace(from: RawFd, to: RawFd) -> bool {
    // SAFETY: plain descriptors; `to` is this process's standard output or error.
    unsafe { libc::dup2(from, to) == to }
}
