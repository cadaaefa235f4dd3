//! The child in which golens reads a binary, held right after it has given up its rights.

use std::{
    collections::BTreeMap,
    fs,
    io::Error,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{process::kill, wait::wait_for};

/// Name of the child in process lists.
const NAME: &str = "golens-resolver";

/// A command under which golens' resolvers stop once their filter of system calls is installed; strace
/// sends the signal, and is nobody's parent (`-D`).
#[must_use]
pub fn holding_resolvers() -> [&'static str; 8] {
    [
        "strace",
        "-D",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "trace=seccomp",
        "--inject=seccomp:signal=STOP",
    ]
}

/// A resolver that is held.
#[derive(Debug)]
pub struct HeldResolver {
    pid: u32,
}

impl HeldResolver {
    /// Waits for the one that is to read this file.
    ///
    /// # Panics
    /// When none is held in time.
    #[must_use]
    pub fn of(binary: &Path) -> Self {
        let binary = fs::canonicalize(binary).expect("an existing file");
        let what = format!("a resolver of {binary:?}");
        wait_for(&what, Duration::from_secs(20), || {
            processes()
                .map(|pid| Self { pid })
                .find(|resolver| resolver.reads(&binary) && resolver.is_held())
        })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    fn reads(&self, binary: &Path) -> bool {
        let name = fs::read_to_string(self.path("comm")).unwrap_or_default();
        name.trim_end() == NAME && fs::read_link(self.path("fd/0")).is_ok_and(|file| file == binary)
    }

    fn is_held(&self) -> bool {
        let state = self.status("State");
        state.starts_with(['T', 't']) && self.status("Seccomp") == "2"
    }

    /// A line of `/proc/PID/status`, empty when it is not there.
    #[must_use]
    pub fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(self.path("status")).unwrap_or_default();
        let value = |line: &str| {
            Some(
                line.strip_prefix(name)?
                    .strip_prefix(':')?
                    .trim()
                    .to_owned(),
            )
        };
        status.lines().find_map(value).unwrap_or_default()
    }

    /// Soft and hard limit by the name in `/proc/PID/limits`.
    ///
    /// # Panics
    /// When there is no such limit.
    #[must_use]
    pub fn limit(&self, name: &str) -> (String, String) {
        let limits = fs::read_to_string(self.path("limits")).expect("limits");
        let value = |line: &str| {
            let mut words = line.strip_prefix(name)?.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        };
        let found = limits.lines().find_map(value);
        found.unwrap_or_else(|| panic!("no limit {name}: {limits}"))
    }

    /// How far it lets others go first: 0 by default, 19 at most.
    ///
    /// # Panics
    /// When the kernel does not tell.
    #[must_use]
    pub fn nice(&self) -> i32 {
        let stat = fs::read_to_string(self.path("stat")).expect("stat");
        // Behind the name, which may hold spaces, it is the 17th word.
        let words = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace());
        let nice = words.and_then(|mut words| words.nth(16)?.parse().ok());
        nice.unwrap_or_else(|| panic!("no nice value: {stat}"))
    }

    /// Where its descriptors lead.
    ///
    /// # Panics
    /// When they cannot be listed.
    #[must_use]
    pub fn descriptors(&self) -> BTreeMap<u32, PathBuf> {
        let entries = fs::read_dir(self.path("fd")).expect("descriptors");
        entries
            .map(|entry| {
                let path = entry.expect("a descriptor").path();
                let name = path.file_name().and_then(|name| name.to_str());
                let number = name.and_then(|name| name.parse().ok()).expect("a number");
                (number, fs::read_link(&path).expect("a link"))
            })
            .collect()
    }

    /// A file of `/proc/PID`.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string()).join(name)
    }

    /// Takes all memory away that it has not got yet.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn starve(&self) {
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        let pid = libc::pid_t::try_from(self.pid).expect("a process id");
        // SAFETY: `none` is readable, and no old limit is asked for.
        let done = unsafe {
            libc::prlimit(
                pid,
                libc::RLIMIT_DATA,
                &raw const none,
                std::ptr::null_mut(),
            )
        };
        assert_eq!(done, 0, "{}", Error::last_os_error());
    }

    /// Lets it go on.
    pub fn go_on(self) {
        kill(self.pid, libc::SIGCONT);
    }

    /// Kills it.
    pub fn kill(self) {
        kill(self.pid, libc::SIGKILL);
    }

    /// Whether it is gone, or only waits to be reaped.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let state = self.status("State");
        state.is_empty() || state.starts_with('Z')
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
