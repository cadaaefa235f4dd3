//! `golens run -- program`: starts a program and holds it until its probes are attached.

use std::{
    io,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, Command, ExitCode, ExitStatus},
    sync::mpsc as std_mpsc,
    thread,
};

use tokio::sync::oneshot;

/// A program stopped before its first instruction.
pub(super) struct Stopped {
    pub(super) pid: u32,
    resume: std_mpsc::Sender<()>,
    ended: oneshot::Receiver<io::Result<ExitStatus>>,
}

impl Stopped {
    /// Starts `command` under ptrace, which stops it right after exec, when its memory is already that
    /// of the new program.
    ///
    /// ptrace belongs to a thread: the one that starts the child also releases it and waits for it.
    pub(super) async fn start(command: &[String]) -> io::Result<Self> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut command = Command::new(program);
        command.args(arguments);
        // SAFETY: `ptrace(PTRACE_TRACEME)` is async-signal-safe and touches no memory.
        unsafe { command.pre_exec(trace_me) };
        let (tell_pid, pid) = oneshot::channel();
        let (tell_end, ended) = oneshot::channel();
        let (resume, resumed) = std_mpsc::channel();
        thread::Builder::new()
            .name("command".to_owned())
            .spawn(move || {
                let child = command
                    .spawn()
                    .and_then(|child| wait_for_stop(&child).map(|()| child));
                match child {
                    Ok(mut child) => {
                        // Nobody hears these when golens is ending already.
                        drop(tell_pid.send(Ok(child.id())));
                        let end = match resumed.recv() {
                            Ok(()) => release(&child).and_then(|()| child.wait()),
                            // golens could not start: nobody is to find the program unobserved.
                            Err(_gone) => child.kill().and_then(|()| child.wait()),
                        };
                        drop(tell_end.send(end));
                    }
                    Err(error) => drop(tell_pid.send(Err(error))),
                }
            })?;
        let pid = pid.await.map_err(io::Error::other)??;
        Ok(Self { pid, resume, ended })
    }

    /// Ends the program without having let it run.
    pub(super) async fn kill(self) {
        drop(self.resume);
        if let Ok(Err(error)) = self.ended.await {
            tracing::warn!(pid = self.pid, %error, "cannot end the program");
        }
    }

    /// Lets the program run; the receiver gets its exit status.
    pub(super) fn resume(self) -> oneshot::Receiver<io::Result<ExitStatus>> {
        if self.resume.send(()).is_err() {
            tracing::error!("the thread that holds the program has gone");
        }
        self.ended
    }
}

fn trace_me() -> io::Result<()> {
    // SAFETY: PTRACE_TRACEME ignores its other arguments.
    let result = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn wait_for_stop(child: &Child) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: `status` is writable; the child is ours and is not reaped elsewhere.
    let waited = unsafe { libc::waitpid(child.id().cast_signed(), &raw mut status, libc::__WALL) };
    match waited {
        -1 => Err(io::Error::last_os_error()),
        _ if libc::WIFSTOPPED(status) => end_with_golens(child),
        _ => Err(io::Error::other(
            "the program ended before its first instruction",
        )),
    }
}

/// As long as it is held, the program must not outlive golens and run unobserved.
fn end_with_golens(child: &Child) -> io::Result<()> {
    let (pid, options) = (child.id().cast_signed(), libc::PTRACE_O_EXITKILL);
    // SAFETY: the child is a stopped tracee of this very thread.
    let result = unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn release(child: &Child) -> io::Result<()> {
    // SAFETY: the child is a stopped tracee of this very thread; no signal is delivered.
    let result = unsafe { libc::ptrace(libc::PTRACE_DETACH, child.id().cast_signed(), 0, 0) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The status a shell would report: the program's own, or 128 and the signal that ended it.
pub(super) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Whether Ctrl-C of the terminal reaches the program as well: both belong to its foreground group.
pub(super) fn shares_a_terminal() -> bool {
    // SAFETY: asks about descriptor 0, whatever it is; an error is no group's number.
    let foreground = unsafe { libc::tcgetpgrp(0) };
    // SAFETY: asks about this process and cannot fail.
    let own = unsafe { libc::getpgrp() };
    foreground == own
}

/// Passes a signal on to the program; one that has ended needs none.
pub(super) fn signal(pid: u32, signal: i32) {
    // SAFETY: sends a signal to our own child, which is not reaped while its thread waits.
    unsafe { libc::kill(pid.cast_signed(), signal) };
}
