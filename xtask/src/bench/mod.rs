//! Runs the benchmarks and files their results with the facts of the machine.

mod machine;
mod report;
mod runtime;

use std::{
    fs,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;

use self::machine::Machine;
use crate::{
    build::cargo,
    paths::Paths,
    run::{say, show},
};

/// What can be measured.
#[derive(Clone, Copy, ValueEnum)]
enum Subject {
    /// Time and memory of resolving a binary, on programs of 10 MB and of more than 100 MB.
    Symbols,
    /// What reading Go runtimes costs the programs that are read and the one that reads.
    Runtime,
}

/// Options of `cargo xtask bench`.
#[derive(Args)]
#[command(after_help = "\
Writes docs/bench/SUBJECT.json and docs/bench/SUBJECT.md; commit both with the change they measure.\n\
The first run of symbols builds the large program (benches/large) from the Go module proxy: some minutes, 3 GB of Go \
caches.\n\
Let the machine rest: other work shows in the 95th percentile first.\n\n\
`cargo bench -p symbols -- --help` has finer options and files nothing.")]
pub(crate) struct Options {
    /// What to measure.
    #[arg(value_enum, default_value = "symbols")]
    subject: Subject,
    /// Timed processes per case.
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
        Subject::Symbols => {
            let arguments = ["-p", "symbols", "--bench", "resolve"];
            let cases = measure(paths, &arguments, options.runs)?;
            let json = report::json(&machine, &cases)?;
            ("symbols", json, report::markdown(&machine, &cases))
        }
        Subject::Runtime => {
            let arguments = ["-p", "tests", "--bench", "runtime"];
            let cases = measure(paths, &arguments, options.runs)?;
            let json = report::json(&machine, &cases)?;
            ("runtime", json, runtime::markdown(&machine, &cases))
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

/// Runs the benchmark and reads a case from every line.
fn measure<C: DeserializeOwned>(paths: &Paths, arguments: &[&str], runs: u32) -> Result<Vec<C>> {
    let mut command: Command = cargo();
    command
        .args(["bench", "--locked"])
        .args(arguments)
        .args(["--", "--json", "--runs", &runs.to_string()])
        .current_dir(&paths.root)
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
