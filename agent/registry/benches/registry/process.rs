//! Servers in processes of their own.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A server that is killed when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program.
    pub(crate) fn start(command: &mut Command) -> Self {
        let shown = format!("{command:?}");
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{shown}: {error}")))
    }

    /// Processor time so far, seconds.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = self.read("stat");
        // Behind the name, which may have spaces in it.
        let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let ticks = |at| fields.split(' ').nth(at)?.parse::<f64>().ok();
        (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
    }

    /// Memory that is in use now, MiB, pages of files included.
    pub(crate) fn memory_mib(&self) -> f64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
    }

    fn read(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.0.id());
        fs::read_to_string(path).expect("the process runs")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // As `kill -9`; an error says that it is gone.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// This program once more, as a server that says where it listens.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) dns: SocketAddr,
}

impl Server {
    /// A registry with its state in `folder`.
    pub(crate) fn registry(folder: &Path) -> Self {
        Self::start(&["--serve".as_ref(), folder.as_os_str()])
    }

    /// Servers that answer the same to everything.
    pub(crate) fn bare() -> Self {
        Self::start(&["--bare".as_ref()])
    }

    fn start(arguments: &[&std::ffi::OsStr]) -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(program);
        let mut process = Process::start(command.args(arguments).stdout(Stdio::piped()));
        let output = process.0.stdout.take().expect("its output");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        read.expect("a line of output");
        let mut addresses = line.split_whitespace().map(|word| {
            let address = word.parse();
            address.unwrap_or_else(|error| panic!("{line:?}: {error}"))
        });
        let mut next = || addresses.next().expect("an address");
        Self {
            process,
            http: next(),
            grpc: next(),
            dns: next(),
        }
    }
}
