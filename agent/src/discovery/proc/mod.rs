//! Reads /proc; the only place that knows its formats.
//!
//! Files under /proc/PID are under the influence of that process: names, arguments and environment
//! hold any bytes. Everything here takes them as bytes and bounds what it reads.

mod cgroup;
mod environ;
mod maps;
mod net;
mod stat;
mod usage;

use std::{
    fs::{self, File},
    io::{self, Read as _},
    net::{IpAddr, SocketAddr},
    os::unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

pub use cgroup::cgroup_paths;
pub use environ::environment;
pub use maps::{Mapping, load_base, mappings};
pub use net::Listening;
pub use stat::Stat;
pub use usage::Usage;

/// Names one process for as long as the machine runs: pids are reused, start times are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// Process id in the pid namespace of the agent.
    pub pid: u32,
    /// Start of the process in clock ticks since boot.
    pub start_time_ticks: u64,
}

/// Content of an executable file, as far as the file system tells without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BinaryKey {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Last change of the content in nanoseconds since 1970; reproducible builds set it to any value.
    pub modified_ns: i64,
    /// Last change of content or attributes in nanoseconds since 1970; nobody can set it.
    pub changed_ns: i64,
}

impl BinaryKey {
    /// The key of a file whose metadata was read.
    #[must_use]
    pub fn of(metadata: &fs::Metadata) -> Self {
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Most descriptors of one process that are looked at.
const DESCRIPTORS: usize = 65_536;

/// Most bytes taken from one file under /proc.
const FILE_LIMIT: u64 = 4 << 20;

/// A mounted proc file system.
#[derive(Clone, Debug)]
pub struct Procfs {
    root: PathBuf,
}

impl Default for Procfs {
    fn default() -> Self {
        Self::at("/proc")
    }
}

impl Procfs {
    /// The proc file system mounted there; tests build a tree of their own.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The path of a file of a process.
    #[must_use]
    pub fn path(&self, pid: u32, name: &str) -> PathBuf {
        self.root.join(pid.to_string()).join(name)
    }

    /// The path of a file of the whole machine.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// All process ids that exist now.
    ///
    /// # Errors
    /// When /proc cannot be listed.
    pub fn pids(&self) -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            if let Some(pid) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            {
                pids.push(pid);
            }
        }
        Ok(pids)
    }

    /// The status line of a process.
    ///
    /// # Errors
    /// `NotFound` when there is no such process, `InvalidData` when the line has another form.
    pub fn stat(&self, pid: u32) -> io::Result<Stat> {
        let line = self.read(pid, "stat")?;
        Stat::parse(&line).ok_or_else(|| malformed("stat"))
    }

    /// Cgroup paths of a process on all hierarchies, without duplicates.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn cgroups(&self, pid: u32) -> io::Result<Vec<String>> {
        Ok(cgroup_paths(&self.read(pid, "cgroup")?))
    }

    /// The text of the link to the executable, without opening the file behind it.
    ///
    /// # Errors
    /// `NotFound` for kernel threads and ended processes, `PermissionDenied` without rights.
    pub fn executable(&self, pid: u32) -> io::Result<String> {
        let target = fs::read_link(self.path(pid, "exe"))?;
        let text = String::from_utf8_lossy(&target.into_os_string().into_vec()).into_owned();
        Ok(match text.strip_suffix(" (deleted)") {
            Some(path) => path.to_owned(),
            None => text,
        })
    }

    /// The user that a process runs as.
    ///
    /// # Errors
    /// `NotFound` for ended processes.
    pub fn user(&self, pid: u32) -> io::Result<u32> {
        use std::os::unix::fs::MetadataExt as _;
        Ok(fs::metadata(self.root.join(pid.to_string()))?.uid())
    }

    /// The key of the executable, from the file's metadata alone.
    ///
    /// # Errors
    /// As [`Procfs::executable`].
    pub fn binary_key(&self, pid: u32) -> io::Result<BinaryKey> {
        Ok(BinaryKey::of(&fs::metadata(self.path(pid, "exe"))?))
    }

    /// Opens the executable itself, whatever its path means in another mount namespace.
    ///
    /// # Errors
    /// As [`Procfs::executable`].
    pub fn open_executable(&self, pid: u32) -> io::Result<File> {
        File::open(self.path(pid, "exe"))
    }

    /// Environment of a process at its start. Read only of processes that are in scope and Go.
    ///
    /// # Errors
    /// `PermissionDenied` without CAP_DAC_READ_SEARCH for processes of other users.
    pub fn environment(&self, pid: u32) -> io::Result<Vec<(String, String)>> {
        Ok(environment(&self.read(pid, "environ")?))
    }

    /// Inode of a namespace of a process: `pid`, `mnt`, `net`, `time`.
    ///
    /// # Errors
    /// When the link cannot be read; `InvalidData` when it has another form.
    pub fn namespace(&self, pid: u32, kind: &str) -> io::Result<u64> {
        let link = fs::read_link(self.path(pid, "ns").join(kind))?;
        let inode = link
            .to_str()
            .and_then(|text| text.split_once(":[")?.1.strip_suffix(']')?.parse().ok());
        inode.ok_or_else(|| malformed("ns"))
    }

    /// Offset of the monotonic clock of a process's time namespace, in (seconds, nanoseconds).
    ///
    /// # Errors
    /// When the file cannot be read; kernels without time namespaces have none (`NotFound`).
    pub fn monotonic_offset(&self, pid: u32) -> io::Result<(i64, i64)> {
        let text = self.read(pid, "timens_offsets")?;
        let offsets = std::str::from_utf8(&text).ok().and_then(|text| {
            let mut words = text
                .lines()
                .find_map(|line| line.strip_prefix("monotonic"))?
                .split_whitespace();
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        });
        offsets.ok_or_else(|| malformed("timens_offsets"))
    }

    /// Mapped files of a process.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn mappings(&self, pid: u32) -> io::Result<Vec<Mapping>> {
        Ok(mappings(&self.read(pid, "maps")?))
    }

    /// TCP sockets that listen in the network namespace of a process, each process's and those of others.
    ///
    /// # Errors
    /// When the tables cannot be read; a kernel without IPv6 has only one.
    pub fn listening(&self, pid: u32) -> io::Result<Vec<Listening>> {
        let mut found = net::listening(&self.text(pid, "net/tcp")?);
        match self.text(pid, "net/tcp6") {
            Ok(table) => found.extend(net::listening(&table)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(found)
    }

    /// Inode of a connected TCP socket in the network namespace of a process, by its two ends.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn connected(
        &self,
        pid: u32,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> io::Result<Option<u64>> {
        if let Some(inode) = net::connected(&self.text(pid, "net/tcp")?, local, remote) {
            return Ok(Some(inode));
        }
        match self.text(pid, "net/tcp6") {
            Ok(table) => Ok(net::connected(&table, local, remote)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Addresses of the network namespace of a process, IPv4 first.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn own_addresses(&self, pid: u32) -> io::Result<Vec<IpAddr>> {
        let v4 = net::local_v4(&self.text(pid, "net/fib_trie")?);
        let mut found: Vec<IpAddr> = v4.into_iter().map(IpAddr::from).collect();
        match self.text(pid, "net/if_inet6") {
            Ok(table) => found.extend(net::local_v6(&table).into_iter().map(IpAddr::from)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(found)
    }

    /// Inodes of the sockets that a process has open; of very many descriptors only the first are looked at.
    ///
    /// # Errors
    /// When the descriptors cannot be listed.
    pub fn sockets(&self, pid: u32) -> io::Result<Vec<u64>> {
        let descriptors = fs::read_dir(self.path(pid, "fd"))?.take(DESCRIPTORS);
        let inode = |entry: io::Result<fs::DirEntry>| {
            // One that was closed in between is none.
            let link = fs::read_link(entry.ok()?.path()).ok()?;
            let inode = link.to_str()?.strip_prefix("socket:[")?;
            inode.strip_suffix(']')?.parse().ok()
        };
        Ok(descriptors.filter_map(inode).collect())
    }

    fn text(&self, pid: u32, name: &str) -> io::Result<String> {
        let bytes = self.read(pid, name)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn read(&self, pid: u32, name: &str) -> io::Result<Vec<u8>> {
        read_bounded(&self.path(pid, name))
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn malformed(name: &'static str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("/proc/PID/{name} has an unexpected form"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_reads_like_the_kernel_says() {
        let procfs = Procfs::default();
        let own = std::process::id();
        assert!(procfs.pids().expect("listed").contains(&own));
        let exe = std::env::current_exe().expect("known");
        assert_eq!(procfs.executable(own).expect("link"), exe.to_string_lossy());
        let key = BinaryKey::of(&fs::metadata(exe).expect("exists"));
        assert_eq!(procfs.binary_key(own).expect("key"), key);
        assert!(procfs.namespace(own, "pid").expect("namespace") > 0);
    }

    #[test]
    fn a_process_that_does_not_exist_is_not_found() {
        let error = Procfs::default().stat(u32::MAX).expect_err("no such pid");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
