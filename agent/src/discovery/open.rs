//! A candidate becomes a [`Process`]: the first step that opens anything of it.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use super::{
    Candidate, NotGoCache, PidFd, ProcessId, Procfs, RefusedReason, Stat, go_check::is_go,
    scan::Incarnation,
};

/// A Go process in scope, held so that nothing can take its place unnoticed.
#[derive(Debug)]
pub struct Process {
    /// Identity.
    pub id: ProcessId,
    /// The program that runs in it.
    pub incarnation: Incarnation,
    /// Path of the executable as the process sees it.
    pub executable: String,
    /// The executable itself; parse and attach through this descriptor, never by path.
    pub file: File,
    /// Handle on the process.
    pub handle: PidFd,
    /// Cgroup paths on all hierarchies.
    pub cgroups: Vec<String>,
    /// Its status line, which stays that of this process even when its pid is reused.
    status: File,
    procfs: Procfs,
}

/// Longer than any status line: 52 numbers and a name of at most 64 bytes.
const STATUS_LINE: usize = 2_048;

/// Opens candidates, and remembers which binaries are no Go programs.
#[derive(Debug)]
pub struct Opener {
    procfs: Procfs,
    not_go: NotGoCache,
    opened: u64,
}

impl Opener {
    /// An opener that has opened nothing.
    #[must_use]
    pub fn new(procfs: Procfs) -> Self {
        Self {
            procfs,
            not_go: NotGoCache::default(),
            opened: 0,
        }
    }

    /// Executables opened so far; only those of candidates are.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Opens a candidate and checks that it is a Go program, still the same one, and on our clock.
    ///
    /// # Errors
    /// Why it cannot become a target.
    pub fn open(&mut self, candidate: &Candidate) -> Result<Process, RefusedReason> {
        if self.not_go.contains(&candidate.incarnation.binary) {
            return Err(RefusedReason::NotGo);
        }
        let pid = candidate.id.pid;
        let failed = |action| move |error| RefusedReason::from_io(action, error);
        let handle = PidFd::open(pid).map_err(failed("open a handle on it"))?;
        let file = self
            .procfs
            .open_executable(pid)
            .map_err(failed("open its executable"))?;
        self.opened += 1;
        let status =
            File::open(self.procfs.path(pid, "stat")).map_err(failed("read its status"))?;
        let process = Process {
            id: candidate.id,
            incarnation: candidate.incarnation,
            executable: candidate.executable.clone(),
            file,
            handle,
            cgroups: candidate.cgroups.clone(),
            status,
            procfs: self.procfs.clone(),
        };
        process.check_file()?;
        if !is_go(&process.file).map_err(failed("read its executable"))? {
            self.not_go.insert(candidate.incarnation.binary);
            return Err(RefusedReason::NotGo);
        }
        same_clock(&self.procfs, pid)?;
        process.recheck()?;
        Ok(process)
    }
}

impl Process {
    /// Checks that the process lives and still runs the program that was opened.
    ///
    /// To be called after each reading from /proc or memory, before its result is used.
    ///
    /// # Errors
    /// `Exited` or `Replaced`.
    pub fn recheck(&self) -> Result<(), RefusedReason> {
        let mut line = [0; STATUS_LINE];
        let length = self
            .status
            .read_at(&mut line, 0)
            .map_err(|error| RefusedReason::from_io("read its status", error))?;
        if !self.handle.is_alive() {
            return Err(RefusedReason::Exited);
        }
        match line.get(..length).and_then(Stat::parse) {
            Some(stat)
                if stat.id == self.id && stat.stack_start == self.incarnation.stack_start =>
            {
                Ok(())
            }
            _ => Err(RefusedReason::Replaced),
        }
    }

    /// Its environment at its start.
    ///
    /// # Errors
    /// When it cannot be read, or the process was replaced meanwhile.
    pub fn environment(&self) -> Result<Vec<(String, String)>, RefusedReason> {
        self.checked("read its environment", Procfs::environment)
    }

    /// Inode of its pid namespace, 0 when it cannot be told.
    #[must_use]
    pub fn pid_namespace(&self) -> u64 {
        self.checked("read its namespace", |procfs, pid| {
            procfs.namespace(pid, "pid")
        })
        .unwrap_or_default()
    }

    /// What to add to an address in the file to get the address in the process.
    ///
    /// `first_segment` is the virtual address of the file's first loaded segment.
    ///
    /// # Errors
    /// When its mappings cannot be read or do not show the executable, or it was replaced meanwhile.
    pub fn load_base(&self, first_segment: u64) -> Result<u64, RefusedReason> {
        let action = "find its executable in its memory";
        let maps = self.checked(action, Procfs::mappings)?;
        let inode = self.incarnation.binary.inode;
        super::proc::load_base(&maps, inode, &self.executable, first_segment).ok_or_else(|| {
            RefusedReason::Failed {
                action,
                source: io::ErrorKind::NotFound.into(),
            }
        })
    }

    fn checked<T>(
        &self,
        action: &'static str,
        read: impl FnOnce(&Procfs, u32) -> io::Result<T>,
    ) -> Result<T, RefusedReason> {
        let value = read(&self.procfs, self.id.pid)
            .map_err(|error| RefusedReason::from_io(action, error))?;
        self.recheck()?;
        Ok(value)
    }

    /// Checks that the opened file is the one the candidate was found with.
    fn check_file(&self) -> Result<(), RefusedReason> {
        let metadata = self
            .file
            .metadata()
            .map_err(|error| RefusedReason::from_io("examine its executable", error))?;
        if super::BinaryKey::of(&metadata) == self.incarnation.binary {
            Ok(())
        } else {
            Err(RefusedReason::Replaced)
        }
    }
}

/// Refuses processes whose monotonic clock is not ours. Kernels before 5.5 have only one clock.
fn same_clock(procfs: &Procfs, pid: u32) -> Result<(), RefusedReason> {
    let theirs = match procfs.monotonic_offset(pid) {
        Ok(offset) => offset,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(RefusedReason::from_io("read its clock offset", error)),
    };
    let ours = procfs
        .monotonic_offset(std::process::id())
        .unwrap_or_default();
    let (seconds, nanoseconds) = (
        theirs.0.saturating_sub(ours.0),
        theirs.1.saturating_sub(ours.1),
    );
    if (seconds, nanoseconds) == (0, 0) {
        Ok(())
    } else {
        Err(RefusedReason::TimeNamespace {
            seconds,
            nanoseconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::CommandExt as _,
        process::{Command, Stdio},
        time::{Duration, Instant},
    };

    use super::*;
    use crate::discovery::{Scanner, ScopeRules, Verdict};

    fn examine(pid: u32) -> Candidate {
        let scope = crate::config::Scope {
            pids: vec![pid],
            ..Default::default()
        };
        let scanner = Scanner::new(Procfs::default(), ScopeRules::new(&scope));
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            match scanner.examine(pid) {
                Verdict::Candidate(found) if found.executable.ends_with("cat") => return found,
                other => assert!(Instant::now() < deadline, "never became `cat`: {other:?}"),
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_program_in_another_language_is_opened_once() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .spawn()
            .expect("started");
        let candidate = examine(child.id());
        let mut opener = Opener::new(Procfs::default());
        for _ in 0..3 {
            let refused = opener.open(&candidate).expect_err("cat is written in C");
            assert_eq!(refused.error_type(), "not_go");
        }
        assert_eq!(opener.opened(), 1);
        drop(child.stdin.take());
        child.wait().expect("ends when its input does");
    }

    #[test]
    fn an_ended_process_is_refused() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("started");
        let candidate = examine(child.id());
        drop(child.stdin.take());
        child.wait().expect("ends when its input does");
        let refused = Opener::new(Procfs::default()).open(&candidate);
        assert_eq!(refused.expect_err("it has ended").error_type(), "exited");
    }
}
