//! Runs the fuzz targets of `symbols` for a time, and says what they found.

mod corpus;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    paths::Paths,
    run::{run as run_command, say, step},
    setup::CargoFuzz,
};

/// The targets, in the order of `symbols/fuzz/Cargo.toml`.
const TARGETS: [&str; 6] = ["elf", "buildinfo", "pclntab", "dwarf", "types", "prologue"];
/// An input that takes this many seconds, or this much memory with the sanitizer's own, is a finding.
const TIMEOUT_S: u32 = 10;
const MEMORY_MIB: u32 = 2048;
/// The seeds have up to 15 KiB.
const MOST_INPUT: u32 = 32 * 1024;

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
#[command(after_help = "\
Targets: elf, buildinfo, pclntab, dwarf, types, prologue. What each makes of its input is told in\n\
symbols/fuzz/src/targets.rs, what is asked of the result in symbols/fuzz/src/ask.rs.\n\n\
A finding is saved under symbols/fuzz/artifacts. When it is fixed, put it into\n\
symbols/fuzz/regressions/TARGET under a name that says what it was: `cargo test -p symbols --test replay`\n\
runs it, and the corpus, on stable from then on.")]
pub(crate) struct Options {
    /// Only these targets.
    targets: Vec<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Runs one input of one target instead.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Makes symbols/fuzz/corpus anew: inputs cut from real binaries of several Go releases, and what
    /// fuzzing found on this machine, minimised.
    #[arg(long, conflicts_with = "input")]
    corpus: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            seconds: 60,
            input: None,
            corpus: false,
        }
    }
}

/// Runs what the options ask for.
///
/// # Errors
/// When there is no nightly or something does not compile; a finding shows in the exit code.
pub(crate) fn run(paths: &Paths, options: &Options) -> Result<ExitCode> {
    if options.corpus {
        return corpus::make(paths).map(|()| ExitCode::SUCCESS);
    }
    let (_, failed) = targets(paths, options)?;
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Fuzzes; answers how many targets found nothing, and how many something.
///
/// # Errors
/// When there is no nightly, or the targets do not compile.
pub(crate) fn targets(paths: &Paths, options: &Options) -> Result<(u64, u64)> {
    if let Some(unknown) = options
        .targets
        .iter()
        .find(|name| !TARGETS.contains(&name.as_str()))
    {
        bail!("no fuzz target {unknown}; there are {}", TARGETS.join(", "));
    }
    let fuzzer = Fuzzer::build(paths)?;
    let (mut passed, mut failed) = (0, 0);
    for target in TARGETS {
        if !options.targets.is_empty() && !options.targets.iter().any(|name| name == target) {
            continue;
        }
        match step(&format!("fuzz {target}"), || fuzzer.fuzz(target, options)) {
            Ok(()) => passed += 1,
            Err(error) => {
                say(format_args!("    {error:#}"));
                failed += 1;
            }
        }
    }
    Ok((passed, failed))
}

/// The compiled targets.
struct Fuzzer<'p> {
    paths: &'p Paths,
    tool: CargoFuzz,
}

impl<'p> Fuzzer<'p> {
    fn build(paths: &'p Paths) -> Result<Self> {
        let tool = CargoFuzz::get(paths)?;
        let fuzzer = Self { paths, tool };
        step("build the fuzz targets", || {
            run_command(&mut fuzzer.command("build"))
        })?;
        Ok(fuzzer)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = self.tool.command(verb);
        command.arg("--fuzz-dir").arg(home(self.paths));
        command.arg("--target-dir").arg(scratch(self.paths));
        command
    }

    /// Runs one target; its output goes to a file, of which the end is shown when something was found.
    fn fuzz(&self, target: &str, options: &Options) -> Result<()> {
        let found = made(scratch(self.paths).join("found").join(target))?;
        let artifacts = made(home(self.paths).join("artifacts").join(target))?;
        let mut command = self.command("run");
        command.arg(target);
        match &options.input {
            Some(input) => command.arg(input),
            None => command.arg(&found).arg(corpus::of(self.paths, target)),
        };
        command.args(["--", "-print_final_stats=1"]);
        command.arg(format!("-max_total_time={}", options.seconds));
        command.arg(format!("-timeout={TIMEOUT_S}"));
        command.arg(format!("-rss_limit_mb={MEMORY_MIB}"));
        command.arg(format!("-max_len={MOST_INPUT}"));
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        let log = scratch(self.paths).join(format!("{target}.log"));
        let output = fs::File::create(&log)?;
        let status = command
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            .context("cannot start cargo-fuzz")?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if status.success() {
            say(format_args!("    {}", summary(&text)));
            return Ok(());
        }
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(40)) {
            say(format_args!("    {line}"));
        }
        match saved(&text) {
            Some(input) => {
                bail!("found something; again with: cargo xtask fuzz {target} --input {input}")
            }
            None => bail!(
                "{target} ended with {status}; all of its output is in {}",
                log.display()
            ),
        }
    }
}

/// The package of the targets.
fn home(paths: &Paths) -> PathBuf {
    paths.root.join("symbols/fuzz")
}

/// What fuzzing leaves behind on this machine.
fn scratch(paths: &Paths) -> PathBuf {
    paths.target.join("fuzz")
}

fn made(directory: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    Ok(directory)
}

/// Reads runs and coverage from what libFuzzer says at its end.
fn summary(log: &str) -> String {
    let last = |key: &str| {
        let lines = log.lines().rev().filter_map(|line| line.split_once(key));
        let mut words = lines.filter_map(|(_, rest)| rest.split_whitespace().next());
        words.next().unwrap_or("?").to_owned()
    };
    let (runs, covered, kept) = (
        last("stat::number_of_executed_units:"),
        last("cov:"),
        last("corp:"),
    );
    format!("{runs} runs, {covered} edges, corpus {kept}")
}

/// Finds the file that libFuzzer wrote for a finding.
fn saved(log: &str) -> Option<&str> {
    let (_, path) = log.split_once("Test unit written to ")?;
    path.lines()
        .next()
        .map(str::trim)
        .filter(|path| Path::new(path).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_is_understood() {
        let log = "#9 REDUCE cov: 12 ft: 30 corp: 4/9b lim: 4\n\
            #99 DONE cov: 13 ft: 31 corp: 5/10b lim: 4\n\
            stat::number_of_executed_units: 99\n";
        assert_eq!(summary(log), "99 runs, 13 edges, corpus 5/10b");
        assert_eq!(saved(log), None);
        assert_eq!(saved("Test unit written to /absent/crash-1\n"), None);
    }
}
