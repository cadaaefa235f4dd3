//! A server process with its log, free ports and readiness.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::http;

/// A running server; dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a server whose output goes to `NAME.log` in `directory`.
    ///
    /// It gets a process group of its own, so that Ctrl-C reaches only us, and ends when we end.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &str, command: &mut Command, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        command
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        end_with_us(command);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until `path` is answered with 200.
    ///
    /// # Errors
    /// When the process ends or the time passes; the end of its log is part of the message.
    pub fn wait_ready(&mut self, address: SocketAddr, path: &str, within: Duration) -> Result<()> {
        let name = self.name.clone();
        self.wait_for(&format!("{name} to be ready"), within, |_| {
            matches!(http::get(address, path), Ok((200, _))).then_some(())
        })
    }

    /// Waits until `look` finds something, as long as the process runs.
    ///
    /// # Errors
    /// When the process ends or the time passes; the end of its log is part of the message.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T> {
        let found = wait_for(what, within, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}", self.name);
            }
            Ok(look(self))
        });
        found.with_context(|| format!("last lines of {}:\n{}", self.log.display(), self.tail()))
    }

    fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        lines.split_at(lines.len().saturating_sub(15)).1.join("\n")
    }

    /// Asks the process to end and waits for it; kills it when it takes longer.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(mut self, within: Duration) -> Result<()> {
        if let Ok(pid) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: no memory is involved; the child is not reaped yet, so the id is still its own.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("{} did not end within {within:?} of SIGTERM", self.name)
    }
}

impl Drop for Server {
    /// Kills at once: the data is thrown away, and Tempo does not end on SIGTERM after a search.
    fn drop(&mut self) {
        // Fails only for a process that has ended and was waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Makes the kernel kill the child when the thread that starts it ends, however that happens.
pub(crate) fn end_with_us(command: &mut Command) {
    let death_signal = || {
        // SAFETY: prctl with PR_SET_PDEATHSIG touches no memory.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(death_signal) };
}

/// Waits until `look` finds something.
///
/// # Errors
/// Those of `look`; when the time passes; when Ctrl-C was pressed in the demo.
pub fn wait_for<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look().with_context(|| format!("waiting for {what}"))? {
            return Ok(found);
        }
        if crate::demo::interrupted() {
            bail!("interrupted while waiting for {what}");
        }
        if Instant::now() >= deadline {
            bail!("waited {within:?} in vain for {what}");
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// `N` different free loopback ports: all are held at once before any is given back.
pub(super) fn free_ports<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut held = Vec::with_capacity(N);
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("no free loopback port")?;
        *address = listener.local_addr()?;
        held.push(listener);
    }
    Ok(addresses)
}
