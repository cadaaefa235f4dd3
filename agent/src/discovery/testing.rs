//! A proc tree in a temporary folder, for tests.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use super::Procfs;

/// Removed when dropped.
pub(crate) struct FakeProc {
    root: PathBuf,
}

impl FakeProc {
    pub(crate) fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("golens-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join("proc")).expect("created");
        Self { root }
    }

    pub(crate) fn procfs(&self) -> Procfs {
        Procfs::at(self.root.join("proc"))
    }

    /// A running process whose executable is a file of that name.
    pub(crate) fn process(&self, pid: u32, start: u64, cgroup: &str, executable: &str) {
        self.stat(pid, start, 'S', 0x6000);
        let folder = self.folder(pid);
        fs::write(folder.join("cgroup"), format!("1:cpu:/\n0::{cgroup}\n")).expect("written");
        let file = self.root.join(executable);
        fs::write(&file, executable).expect("written");
        let link = folder.join("exe");
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link).expect("removed");
        }
        symlink(file, link).expect("linked");
    }

    pub(crate) fn stack(&self, pid: u32, start: u64, stack_start: u64) {
        self.stat(pid, start, 'S', stack_start);
    }

    pub(crate) fn state(&self, pid: u32, start: u64, state: char) {
        self.stat(pid, start, state, 0);
    }

    /// Makes the link one that cannot be followed as a link.
    pub(crate) fn unreadable_link(&self, pid: u32) {
        let link = self.folder(pid).join("exe");
        fs::remove_file(&link).expect("removed");
        fs::write(link, "").expect("written");
    }

    /// Gives a file another name beside its own.
    pub(crate) fn link_to(&self, file: &str, name: &str) {
        fs::hard_link(self.root.join(file), self.root.join(name)).expect("linked");
    }

    pub(crate) fn end(&self, pid: u32) {
        fs::remove_dir_all(self.folder(pid)).expect("removed");
    }

    fn stat(&self, pid: u32, start: u64, state: char, stack_start: u64) {
        let line = format!(
            "{pid} (a) b) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start} 0 0 0 0 0 {stack_start} 0 0\n"
        );
        fs::write(self.folder(pid).join("stat"), line).expect("written");
    }

    fn folder(&self, pid: u32) -> PathBuf {
        let folder = self.root.join("proc").join(pid.to_string());
        fs::create_dir_all(&folder).expect("created");
        folder
    }
}

impl Drop for FakeProc {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!("cannot remove {}: {error}", self.root.display());
        }
    }
}
