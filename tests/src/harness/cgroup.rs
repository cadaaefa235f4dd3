//! A control group per test, so that an agent sees the processes of its own test and no others.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use super::{process as processes, run_dir::unique, wait_until};

/// A control group; its processes are killed when it is dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    name: String,
}

impl Cgroup {
    /// Creates an empty group on the unified hierarchy, or on an old one where there is none.
    ///
    /// # Panics
    /// Without a writable hierarchy; that needs root.
    #[must_use]
    pub fn new() -> Self {
        let mounts = fs::read_to_string("/proc/mounts").expect("read /proc/mounts");
        let name = format!("golens-test-{}-{}", process::id(), unique());
        let mut failures = Vec::new();
        for mount in hierarchies(&mounts) {
            let path = mount.join(&name);
            match fs::create_dir(&path) {
                Ok(()) => return Self { path, name },
                Err(error) => failures.push(format!("{}: {error}", path.display())),
            }
        }
        panic!("no control group can be created (this needs root): {failures:?}")
    }

    /// Its path as `/proc/PID/cgroup` shows it, for the agent's scope.
    #[must_use]
    pub fn scope(&self) -> String {
        format!("/{}", self.name)
    }

    /// The file a process writes its id to in order to join.
    pub(super) fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// Moves a running process into it.
    ///
    /// # Panics
    /// When it has ended.
    pub fn take_in(&self, pid: u32) {
        fs::write(self.procs(), pid.to_string()).unwrap_or_else(|e| panic!("move {pid}: {e}"));
    }

    /// Ids of the processes inside.
    ///
    /// # Panics
    /// When the group's files cannot be read.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let path = self.procs();
        fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("read {path:?}: {error}"))
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect()
    }
}

impl Default for Cgroup {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        wait_until("an empty control group", Duration::from_secs(10), || {
            let pids = self.pids();
            for pid in &pids {
                processes::kill(*pid, libc::SIGKILL);
                processes::reap(*pid);
            }
            pids.is_empty()
        });
        wait_until(
            "removal of the control group",
            Duration::from_secs(5),
            || fs::remove_dir(&self.path).is_ok(),
        );
    }
}

/// Mount points of hierarchies that a process may join without further settings, best first.
pub(crate) fn hierarchies(mounts: &str) -> Vec<PathBuf> {
    let rows: Vec<Vec<&str>> = mounts.lines().map(|l| l.split(' ').collect()).collect();
    let wanted = |kind: &str, option: &str| {
        rows.iter()
            .filter(|row| row.get(2) == Some(&kind))
            .filter(|row| {
                row.get(3)
                    .is_some_and(|all| option.is_empty() || all.split(',').any(|o| o == option))
            })
            .filter_map(|row| row.get(1))
            .map(|point| Path::new(point).to_path_buf())
            .collect::<Vec<_>>()
    };
    [
        wanted("cgroup2", ""),
        wanted("cgroup", "name=systemd"),
        wanted("cgroup", "freezer"),
        wanted("cgroup", "pids"),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_hierarchy_comes_first() {
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
            cgroup /sys/fs/cgroup/freezer cgroup rw,freezer 0 0\n\
            cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let points: Vec<_> = hierarchies(mounts)
            .iter()
            .map(|p| p.display().to_string())
            .collect();
        assert_eq!(
            points,
            [
                "/sys/fs/cgroup/unified",
                "/sys/fs/cgroup/systemd",
                "/sys/fs/cgroup/freezer"
            ]
        );
    }
}
