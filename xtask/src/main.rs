//! Automation, started as `cargo xtask`: one program instead of shell scripts and Makefiles.

mod bench;
mod build;
mod check;
mod codegen;
mod demo;
mod fuzz;
mod paths;
mod run;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::paths::Paths;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Sets up, builds, tests and shows golens.",
    after_help = "On a fresh Debian 12 machine with cargo, Go and root:\n  \
        cargo xtask demo      three Go services, load, and what golens saw of them\n  \
        cargo xtask test      every test but the long ones\n\n\
        Environment:\n  \
        GOLENS_CACHE          tools and back ends [default: $XDG_CACHE_HOME/golens, ~/.cache/golens]\n  \
        GOLENS_KEEP_GO_CACHE  1 keeps the Go caches (6 GB) after the back ends are built\n  \
        CI                    true makes a missing requirement of the tests an error"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Installs what builds need: the eBPF compiler, bpf-linker and, on request, the back ends.
    ///
    /// Can be called again at any time; each step says what it does and how long it took.
    Setup(setup::Options),
    /// Builds the eBPF object, then the agent with that object inside.
    Build(build::Options),
    /// Runs rustfmt, clippy for host and BPF target, and tidy. Changes nothing.
    Check,
    /// Checks what compilers do not: dependencies, file headers, sizes, links, names.
    Tidy,
    /// Writes the reference tables of `symbols` from real toolchains and modules, or checks them.
    Codegen(codegen::Options),
    /// Sets up, builds and runs the tests.
    Test(test::Options),
    /// Fuzzes the parsers of `symbols`. Needs a rustup nightly.
    Fuzz(fuzz::Options),
    /// Measures what golens costs and files the figures in docs/bench.
    Bench(bench::Options),
    /// Sets up, builds, and shows golens at work on three small Go services. Needs root.
    Demo(demo::Options),
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            run::say(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<ExitCode> {
    let paths = Paths::find()?;
    match command {
        Command::Setup(options) => setup::run(&paths, &options).map(|_| ExitCode::SUCCESS),
        Command::Build(options) => {
            let bpf = setup::bpf(&paths)?;
            build::run(&paths, &bpf, &options).map(|_| ExitCode::SUCCESS)
        }
        Command::Check => check::run(&paths).map(|()| ExitCode::SUCCESS),
        Command::Tidy => tidy::run(&paths).map(|()| ExitCode::SUCCESS),
        Command::Codegen(options) => codegen::run(&paths, &options).map(|()| ExitCode::SUCCESS),
        Command::Bench(options) => bench::run(&paths, &options).map(|()| ExitCode::SUCCESS),
        Command::Test(options) => test::run(&paths, &options),
        Command::Fuzz(options) => fuzz::run(&paths, &options),
        Command::Demo(options) => demo::run(&paths, &options),
    }
}
