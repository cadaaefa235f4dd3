//! Runs the benchmarks and files their results with the facts of the machine.

mod config;
mod goroutines;
mod machine;
mod registry;
mod report;
mod runtime;

use std::{
    fs,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;

use self::{goroutines::Size, machine::Machine, report::Case};
use crate::{
    build,
    paths::Paths,
    run::{say, show},
    setup,
};

/// What can be measured.
#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// Time and memory of resolving a binary, on programs of 10 MB and of more than 100 MB.
    Symbols,
    /// What reading Go runtimes costs the programs that are read and the one that reads.
    Runtime,
    /// Time and memory of goroutine profiles, on targets of up to 100,000 goroutines.
    Goroutines,
    /// How fast changes of configuration are in force and reach clients.
    Config,
    /// The registry's throughput, latency, memory and start, beside etcd.
    Registry,
}

/// Options of `cargo xtask bench`.
#[derive(Args)]
#[command(after_help = "\
Writes docs/bench/SUBJECT.json and docs/bench/SUBJECT.md; commit both with the change they measure.\n\
For symbols, the first run builds the large program (benches/large) from the Go module proxy: some minutes, 3 GB of Go \
caches.\n\
Let the machine rest: other work shows in the 95th percentile first.\n\n\
`cargo bench -p symbols -- --help` has finer options and files nothing.")]
pub(crate) struct Options {
    /// What to measure.
    #[arg(value_enum, default_value = "symbols")]
    subject: Subject,
    /// Timed processes per case of symbols.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Prints the results and files nothing.
    #[arg(long)]
    dry: bool,
}

/// Measures and files.
///
/// # Errors
/// When a program cannot be built or read; a missed goal is a result, no error.
pub(crate) fn run(paths: &Paths, options: &Options) -> Result<()> {
    let machine = Machine::read(paths)?;
    let (name, json, markdown) = match options.subject {
        Subject::Registry => {
            let mut command = build::cargo();
            command
                .current_dir(&paths.root)
                .env("GOLENS_ETCD", setup::etcd(paths)?);
            let mut cases = measure_with(command, "golens-registry", "registry", &[])?;
            let agent = with_agent(paths)?;
            cases.extend(measure_with(agent, "tests", "node_registry", &[])?);
            let markdown = registry::markdown(&machine, &cases);
            ("registry", report::json(&machine, &cases)?, markdown)
        }
        Subject::Config => {
            let cases: Vec<config::Case> = measure(paths, "golens-config", "config", &[])?;
            let markdown = config::markdown(&machine, &cases);
            ("config", report::json(&machine, &cases)?, markdown)
        }
        Subject::Symbols => {
            let runs = options.runs.to_string();
            let arguments = ["--", "--json", "--runs", &runs];
            let cases: Vec<Case> = measure(paths, "symbols", "resolve", &arguments)?;
            let markdown = report::markdown(&machine, &cases);
            ("symbols", report::json(&machine, &cases)?, markdown)
        }
        Subject::Runtime => {
            let cases = measure_with(with_agent(paths)?, "tests", "runtime", &[])?;
            let markdown = runtime::markdown(&machine, &cases);
            ("runtime", report::json(&machine, &cases)?, markdown)
        }
        Subject::Goroutines => {
            let sizes: Vec<Size> = measure(paths, "golens", "goroutines", &[])?;
            let markdown = goroutines::markdown(&machine, &sizes);
            ("goroutines", report::json(&machine, &sizes)?, markdown)
        }
    };
    if options.dry {
        say(markdown);
        return Ok(());
    }
    let directory = paths.root.join("docs/bench");
    fs::create_dir_all(&directory)?;
    for (extension, text) in [("json", json), ("md", markdown)] {
        let path = directory.join(name).with_extension(extension);
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        say(format_args!("    {}", path.display()));
    }
    Ok(())
}

/// Builds the agent, and returns what starts benchmarks that start it.
fn with_agent(paths: &Paths) -> Result<Command> {
    let optimised = build::Options {
        release: true,
        ..build::Options::default()
    };
    let built = build::run(paths, &setup::bpf(paths)?, &optimised)?;
    let mut command = build::host_cargo(paths, &built.object);
    command.env("GOLENS_BIN", &built.agent);
    Ok(command)
}

/// Runs a benchmark and reads a case from every line.
fn measure<T: DeserializeOwned>(
    paths: &Paths,
    package: &str,
    bench: &str,
    arguments: &[&str],
) -> Result<Vec<T>> {
    let mut command = build::cargo();
    command.current_dir(&paths.root);
    measure_with(command, package, bench, arguments)
}

/// The same by a command that is prepared already, such as with variables in its environment.
fn measure_with<T: DeserializeOwned>(
    mut command: Command,
    package: &str,
    bench: &str,
    arguments: &[&str],
) -> Result<Vec<T>> {
    command
        .args(["bench", "--locked", "-p", package, "--bench", bench])
        .args(arguments)
        .stderr(Stdio::inherit());
    let shown = show(&command);
    say(format_args!("==> {shown}"));
    let ran = command
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !ran.status.success() {
        bail!("`{shown}` ended with {}", ran.status);
    }
    let text = String::from_utf8(ran.stdout)?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("not a case: {line}")))
        .collect()
}
