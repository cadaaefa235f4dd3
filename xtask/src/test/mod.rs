//! Sets up, builds and runs the tests, and counts them.

mod kernel;
mod summary;

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result};
use clap::Args;

use self::summary::Summary;
use crate::{
    build::{self, Built, host_cargo},
    fuzz,
    paths::Paths,
    run::{say, show},
    setup::{self, Backends},
};

/// Options of `cargo xtask test`.
#[derive(Args)]
#[command(after_help = "\
Groups:\n  \
unit      symbols, golens, its config, registry and state, agent-ebpf and xtask; no root; Go toolchains come from the module proxy\n  \
root      crate `tests`: the built agent on real Go programs; needs root, eBPF and uprobe_multi\n  \
backends  one whole pivot run against real Prometheus, Loki and Tempo; part of root\n  \
long      test binaries named long_* of the groups unit and root; only with --all\n  \
fuzz      each fuzz target of symbols for a minute; only with --all, needs a rustup nightly\n\n\
The last line is `N passed, N failed`.")]
pub(crate) struct Options {
    /// Adds the long tests and fuzzing.
    #[arg(long)]
    all: bool,
    /// Leaves out what needs root, back ends included.
    #[arg(long)]
    no_root: bool,
    /// Runs only tests whose name contains this.
    filter: Option<String>,
}

/// Runs the tests.
///
/// # Errors
/// When set-up or build fails; a failed test shows in the exit code.
pub(crate) fn run(paths: &Paths, options: &Options) -> Result<ExitCode> {
    let missing = kernel::missing();
    for requirement in &missing {
        say(format_args!("the root tests need {requirement}"));
    }
    let with_root = missing.is_empty() && !options.no_root;
    if with_root {
        // The scope test watches golens' system calls.
        setup::tool("strace", "strace")?;
        // The registry's tests make a network and cut it.
        setup::tool("ip", "iproute2")?;
    }
    let ready = setup::run(
        paths,
        &setup::Options {
            backends: with_root,
        },
    )?;
    let built = build::tests(paths, &ready.bpf)?;

    let mut summary = run_cargo(unit(paths, &built, options.all)?, options)?;
    match (with_root, ready.backends) {
        (true, Some(backends)) => {
            summary += run_cargo(root(paths, &built, &backends, options.all)?, options)?;
        }
        _ => say("NOT RUN: the groups root and backends, with their long tests"),
    }
    if options.all && options.filter.is_none() {
        summary += fuzz(paths);
    }
    say_result(&summary)?;
    let may_be_missing = options.no_root && !is_ci();
    let complete = missing.is_empty() || may_be_missing;
    Ok(match summary.failed == 0 && complete {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Each fuzz target counts as one test; without a nightly the group fails as a whole.
fn fuzz(paths: &Paths) -> Summary {
    let minute = fuzz::Options::default();
    match fuzz::targets(paths, &minute) {
        Ok((passed, failed)) => Summary { passed, failed },
        Err(error) => {
            say(format_args!("NOT RUN: the group fuzz: {error:#}"));
            Summary {
                passed: 0,
                failed: 1,
            }
        }
    }
}

fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| value == "true")
}

/// Tests that any machine can run.
fn unit(paths: &Paths, built: &Built, all: bool) -> Result<Command> {
    let mut cargo = host_cargo(paths, &built.object);
    cargo.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins"]);
    cargo.env("GOLENS_ETCD", setup::etcd(paths)?);
    if all {
        cargo.env("GOLENS_OPENBAO", setup::openbao(paths)?);
    }
    for directory in [
        "symbols/tests",
        "agent/tests",
        "agent/config/tests",
        "agent/registry/tests",
        "agent/state/tests",
    ] {
        for name in test_binaries(&paths.root.join(directory), all)? {
            cargo.args(["--test", &name]);
        }
    }
    Ok(cargo)
}

/// Tests of the whole agent, one at a time: they count events, and load of a neighbour drops some.
fn root(paths: &Paths, built: &Built, backends: &Backends, all: bool) -> Result<Command> {
    let mut cargo = host_cargo(paths, &built.object);
    cargo
        .args(["test", "--workspace", "--no-fail-fast"])
        .env("GOLENS_BIN", &built.agent)
        .env("GOLENS_CACHE", &paths.cache)
        .env("GOLENS_ETCD", setup::etcd(paths)?)
        .envs(backends.environment());
    if env::var_os("RUST_TEST_THREADS").is_none() {
        cargo.env("RUST_TEST_THREADS", "1");
    }
    for name in test_binaries(&paths.root.join("tests/tests"), all)? {
        cargo.args(["--test", &name]);
    }
    Ok(cargo)
}

/// Files and folders that cargo turns into one test binary each; the long ones only on request.
fn test_binaries(directory: &Path, all: bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if !directory.is_dir() {
        return Ok(names);
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        if (is_source || path.join("main.rs").is_file())
            && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
            && (all || !stem.starts_with("long_"))
        {
            names.push(stem.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Runs cargo, passes its output on and counts what the test binaries say.
fn run_cargo(mut cargo: Command, options: &Options) -> Result<Summary> {
    if let Some(filter) = &options.filter {
        cargo.args(["--", filter]);
    }
    let shown = show(&cargo);
    say(format_args!("==> {shown}"));
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{shown}`"))?;
    let output = BufReader::new(child.stdout.take().context("cargo has no stdout")?);
    let mut summary = Summary::default();
    for line in output.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        summary.read(&line);
        writeln!(std::io::stdout(), "{line}")?;
    }
    let status = child.wait()?;
    if !status.success() && summary.failed == 0 {
        // A test binary that does not compile, or that died, has no line of its own.
        say(format_args!("`{shown}` ended with {status}"));
        summary.failed += 1;
    }
    Ok(summary)
}

fn say_result(summary: &Summary) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{summary}")?)
}
