//! A control group for one run, so that golens sees its processes and no others.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{backends::Server, harness::hierarchies};

/// A control group; it is removed when dropped, after its processes.
#[derive(Debug)]
pub struct Group {
    path: PathBuf,
    name: String,
}

impl Group {
    /// Creates an empty group on the unified hierarchy, or on an old one where there is none.
    ///
    /// # Errors
    /// Without a writable hierarchy; that needs root.
    pub fn new(prefix: &str) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/mounts").context("read /proc/mounts")?;
        let name = format!("{prefix}-{}", process::id());
        let mut failures = Vec::new();
        for mount in hierarchies(&mounts) {
            let path = mount.join(&name);
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, name }),
                Err(error) => failures.push(format!("{}: {error}", path.display())),
            }
        }
        bail!("no control group can be created (this needs root): {failures:?}")
    }

    /// Its path as `/proc/PID/cgroup` shows it.
    #[must_use]
    pub fn scope(&self) -> String {
        format!("/{}", self.name)
    }

    /// Starts a program inside: it joins between fork and exec, so it never runs outside.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&self, name: &str, command: &mut Command, directory: &Path) -> Result<Server> {
        let procs = fs::OpenOptions::new()
            .write(true)
            .open(self.path.join("cgroup.procs"))?;
        let join = move || {
            // 0 stands for the writing process.
            io::Write::write_all(&mut &procs, b"0")
        };
        // SAFETY: between fork and exec the closure makes one write to an open file and allocates nothing.
        unsafe { command.pre_exec(join) };
        Server::start(name, command, directory)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel needs a moment after the last process has been waited for.
        for _ in 0..100 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        super::say(&format!("cannot remove {}", self.path.display()));
    }
}
