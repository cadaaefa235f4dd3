//! What a goroutine profile costs: processor time and memory of the agent, by the size of the target.
//!
//! Prints one line of JSON for each size. `cargo xtask bench goroutines` files the figures.
#![expect(
    clippy::print_stdout,
    reason = "a benchmark talks to whoever started it"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use golens::{
    clock::thread_cpu_time,
    config::Scope,
    discovery::{Opener, Process, Procfs, Scanner, ScopeRules, Verdict},
    resolve::{Resolver, Sandbox},
    runtime::profile::{Profiler, Room},
};

/// Goroutines of the target, beside some hundred that wait in other ways.
const SIZES: [usize; 4] = [1, 1_000, 10_000, 100_000];
/// Goroutines that are looked at and remembered.
const LIMIT: usize = 1_000_000;
/// Profiles per size.
const RUNS: usize = 50;

fn main() -> Result<()> {
    let binary = build()?;
    for size in SIZES {
        println!("{}", measure(&binary, size)?);
    }
    Ok(())
}

/// Builds the program of the tests.
fn build() -> Result<PathBuf> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/targets/goroutines");
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parked");
    let status = Command::new("go")
        .current_dir(module)
        .args(["build", "-buildvcs=false", "-ldflags=-s -w", "-o"])
        .arg(&binary)
        .arg("./parked")
        .status()?;
    if !status.success() {
        bail!("go build: {status}");
    }
    Ok(binary)
}

fn measure(binary: &Path, size: usize) -> Result<serde_json::Value> {
    let target = Target::start(binary)?;
    target.ask("/park?count=3")?;
    target.ask(&format!("/many?count={size}"))?;
    let process = Arc::new(target.open()?);
    let resolver = Resolver::new(Sandbox::of(env!("CARGO_BIN_EXE_golens")));
    let info = resolver
        .resolve(&process.file)
        .map_err(anyhow::Error::msg)?;
    let facts = info.profile.as_ref().context("no facts")?;
    let before = rss_kib()?;
    let mut profiler = Profiler::new(process, &info, facts, LIMIT, &Room::new(LIMIT))?;
    let first = once(&mut profiler, &resolver)?;
    let mut later = Vec::new();
    for _ in 0..RUNS {
        later.push(once(&mut profiler, &resolver)?);
    }
    let memory = rss_kib()?.saturating_sub(before);
    later.sort_by(|a, b| a.cpu_ms.total_cmp(&b.cpu_ms));
    let (median, p95) = (&later[RUNS / 2], &later[RUNS * 95 / 100]);
    Ok(serde_json::json!({
        "goroutines": median.goroutines,
        "groups": median.groups,
        "first_cpu_ms": first.cpu_ms,
        "median_cpu_ms": median.cpu_ms,
        "p95_cpu_ms": p95.cpu_ms,
        "median_ms": median.ms,
        "memory_kib": memory,
        "runs": RUNS,
    }))
}

/// One profile.
struct Sample {
    goroutines: u64,
    groups: usize,
    cpu_ms: f64,
    ms: f64,
}

fn once(profiler: &mut Profiler, resolver: &Resolver) -> Result<Sample> {
    let (cpu, wall) = (thread_cpu_time(), Instant::now());
    let profile = profiler.profile(resolver)?;
    Ok(Sample {
        goroutines: profile.goroutines,
        groups: profile.groups.len(),
        cpu_ms: (thread_cpu_time() - cpu).as_secs_f64() * 1e3,
        ms: wall.elapsed().as_secs_f64() * 1e3,
    })
}

/// Anonymous memory of this process.
fn rss_kib() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("RssAnon"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.context("no RssAnon")?.parse()?)
}

/// The running program; ended when dropped.
struct Target {
    child: Child,
    address: String,
}

impl Target {
    fn start(binary: &Path) -> Result<Self> {
        let mut child = Command::new(binary).stderr(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let stderr = child.stderr.take().context("piped")?;
        BufReader::new(stderr).read_line(&mut line)?;
        let address = line.split(' ').nth(1).context("an address")?.to_owned();
        Ok(Self { child, address })
    }

    /// Asks for a path; the answer comes when it is done.
    fn ask(&self, path: &str) -> Result<()> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 200") {
            bail!("{path}: {answer}");
        }
        Ok(())
    }

    fn open(&self) -> Result<Process> {
        let scope = Scope {
            pids: vec![self.child.id()],
            ..Scope::default()
        };
        let scanner = Scanner::new(Procfs::default(), ScopeRules::new(&scope));
        match scanner.examine(self.child.id()) {
            Verdict::Candidate(found) => Ok(Opener::new(Procfs::default()).open(&found)?),
            other => bail!("not in scope: {other:?}"),
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It has nothing to lose.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
