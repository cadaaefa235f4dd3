//! On what was measured: enough to judge a figure by, and nothing that names the machine.

use std::{fs, process::Command};

use anyhow::Result;
use serde::Serialize;

use crate::{paths::Paths, run::output};

/// Facts of the machine, the tools and the source.
#[derive(Serialize)]
pub(super) struct Machine {
    pub(super) date: String,
    /// Commit the sources come from; `-dirty` when they were changed since.
    pub(super) commit: String,
    pub(super) processor: String,
    pub(super) processors: usize,
    pub(super) memory_gib: u64,
    /// Processes that ran or waited to, on average over the minute before: more than `processors` means
    /// that others shared the machine.
    pub(super) load: f64,
    pub(super) kernel: String,
    pub(super) rustc: String,
    pub(super) go: String,
}

impl Machine {
    /// The lines below a page's title: which benchmark wrote it, when, from what and on what.
    pub(super) fn heading(&self, bench: &str) -> String {
        format!(
            "Written by `cargo xtask bench {bench}` on {}, commit {}.\n\
             Machine: {} ({} processors), {} GiB, Linux {}; {}, {}. Load before: {}.\n\n",
            self.date,
            self.commit,
            self.processor,
            self.processors,
            self.memory_gib,
            self.kernel,
            self.rustc,
            self.go,
            self.load,
        )
    }

    pub(super) fn read(paths: &Paths) -> Result<Self> {
        let first = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or("", |(_, value)| value.trim()).to_owned()
        };
        let memory = first(&fs::read_to_string("/proc/meminfo")?, "MemTotal");
        let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default();
        // What a distributor or host adds behind the numbers may be its name.
        let release = output(Command::new("uname").arg("-r"))?;
        let describe = ["describe", "--always", "--dirty", "--exclude=*"];
        Ok(Self {
            date: output(Command::new("date").args(["-u", "+%F"]))?,
            commit: output(Command::new("git").args(describe).current_dir(&paths.root))?,
            processor: first(&fs::read_to_string("/proc/cpuinfo")?, "model name"),
            processors: std::thread::available_parallelism()?.get(),
            load: load.parse()?,
            memory_gib: kib.div_ceil(1 << 20),
            kernel: release.split('-').next().unwrap_or_default().to_owned(),
            rustc: output(Command::new("rustc").arg("--version"))?,
            go: output(Command::new("go").args(["env", "GOVERSION"]))?,
        })
    }
}
