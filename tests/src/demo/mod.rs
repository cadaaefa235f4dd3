//! The demo: three Go services under load, and what golens saw of them.
//!
//! `cargo xtask demo` builds everything and starts the program `demo`, which is [`run`].

mod agent;
mod api;
mod cgroup;
mod collect;
mod interrupt;
mod paint;
mod pick;
mod render;
mod report;
mod services;
mod waterfall;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use anyhow::{Context, Result};

pub use agent::{Agent, Destinations};
pub use cgroup::Group;
pub use interrupt::interrupted;
use report::Report;
pub use services::{LoadSummary, Programs, Services};

use crate::{
    backends::{Loki, Prometheus, Tempo, pivot},
    harness::target_dir,
};

/// What the user asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// One JSON document instead of the terminal report.
    pub json: bool,
    /// Stay until Ctrl-C.
    pub keep: bool,
    /// Ship to real back ends and query them.
    pub backends: bool,
    /// Length of the load.
    pub load: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            json: false,
            keep: false,
            backends: false,
            load: Duration::from_secs(8),
        }
    }
}

/// Runs the demo; everything it starts ends with it.
///
/// # Errors
/// When a part does not start, or the proof over the back ends fails.
pub fn run(options: Options) -> Result<()> {
    interrupt::watch()?;
    let directory = WorkDir::new("golens-demo")?;
    let group = Group::new("golens-demo")?;
    say("building the three Go services");
    let programs = Programs::build();

    say("starting gateway -> orders -> inventory");
    let services = Services::start(&programs, &group, directory.path())?;
    let stores = match options.backends {
        true => Some(start_stores(directory.path())?),
        false => None,
    };
    let destinations = Destinations::new(stores.as_ref().map(|(loki, tempo)| (loki, tempo)));
    let mut agent = Agent::start(directory.path(), &group, &destinations)?;
    say(&format!("golens is up: http://{}", agent.address));
    agent.wait_attached(&services.pids(), Duration::from_secs(30))?;
    let prometheus = match options.backends {
        true => Some(Prometheus::start(
            &directory.path().join("prometheus"),
            agent.address,
        )?),
        false => None,
    };

    say(&format!("{} s of load", options.load.as_secs()));
    let load = services.load(&programs, options.load)?;
    let mut report = collect::collect(&agent, &services, load)?;
    if let (Some(prometheus), Some((loki, tempo))) = (&prometheus, &stores) {
        say("looking for one trace in Prometheus, Loki and Tempo");
        let within = Duration::from_secs(60);
        report.pivot = Some(pivot::find("gateway", prometheus, loki, tempo, within)?);
    }

    show(&report, options.json)?;
    if options.keep {
        keep(&agent, &services, prometheus.as_ref(), stores.as_ref())?;
    }
    drop(prometheus);
    agent.stop()
}

fn start_stores(directory: &Path) -> Result<(Loki, Tempo)> {
    say("starting Loki and Tempo");
    Ok((
        Loki::start(&directory.join("loki"))?,
        Tempo::start(&directory.join("tempo"))?,
    ))
}

fn show(report: &Report, json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, report)?;
        writeln!(out)?;
    } else {
        render::render(&mut out, report)?;
    }
    Ok(out.flush()?)
}

fn keep(
    agent: &Agent,
    services: &Services,
    prometheus: Option<&Prometheus>,
    stores: Option<&(Loki, Tempo)>,
) -> Result<()> {
    say("\neverything stays up until Ctrl-C:");
    say(&format!("  golens      http://{}/", agent.address));
    say(&format!("  gateway     {}", services.url()));
    if let Some(prometheus) = prometheus {
        say(&format!("  Prometheus  http://{}/", prometheus.address));
    }
    if let Some((loki, tempo)) = stores {
        say(&format!("  Loki        http://{}/", loki.address));
        say(&format!("  Tempo       http://{}/", tempo.address));
    }
    interrupt::wait()
}

/// Progress goes to stderr, so that `--json` leaves a clean document on stdout.
fn say(line: &str) {
    // A closed stderr is no reason to stop.
    drop(writeln!(io::stderr(), "{line}"));
}

/// A directory for configurations, logs and data, removed at the end unless that end is a panic.
#[derive(Debug)]
pub struct WorkDir(PathBuf);

impl WorkDir {
    /// Creates one.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn new(prefix: &str) -> Result<Self> {
        let path = target_dir().join(format!("{prefix}-{}", process::id()));
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.0) {
            say(&format!("cannot remove {}: {error}", self.0.display()));
        }
    }
}
