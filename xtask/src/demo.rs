//! Sets up, builds and starts the demo, which is a program of crate `tests`.
//!
//! The demo shares its launchers with the whole-agent tests; nothing may link `tests`, so it is run.

use std::{
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    build::{self, host_cargo},
    paths::Paths,
    run::{is_root, run as run_command, step},
    setup,
};

/// Options of `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct Options {
    /// Prints the report as one JSON document on stdout.
    #[arg(long)]
    json: bool,
    /// Leaves everything running until Ctrl-C and prints the addresses.
    #[arg(long)]
    keep: bool,
    /// Also starts Prometheus, Loki and Tempo and finds one trace id in all three.
    #[arg(long)]
    backends: bool,
    /// How long the load lasts.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// Becomes the demo once everything is built.
///
/// # Errors
/// When set-up or build fails.
pub(crate) fn run(paths: &Paths, options: &Options) -> Result<ExitCode> {
    if !is_root() {
        bail!(
            "the demo loads eBPF programs, which needs root: `sudo -E env PATH=$PATH cargo xtask demo`"
        );
    }
    let ready = setup::run(
        paths,
        &setup::Options {
            backends: options.backends,
        },
    )?;
    let built = build::run(paths, &ready.bpf, &build::Options::default())?;
    step("build the demo", || {
        run_command(host_cargo(paths, &built.object).args([
            "build",
            "--package",
            "tests",
            "--bin",
            "demo",
        ]))
    })?;
    let mut demo = Command::new(paths.target.join("debug/demo"));
    demo.args(["--seconds", &options.seconds.to_string()])
        .current_dir(&paths.root)
        .env("GOLENS_BIN", &built.agent)
        .env("GOLENS_CACHE", &paths.cache)
        .env("CARGO_TARGET_DIR", &paths.target);
    for (flag, wanted) in [
        ("--json", options.json),
        ("--keep", options.keep),
        ("--backends", options.backends),
    ] {
        if wanted {
            demo.arg(flag);
        }
    }
    if let Some(backends) = &ready.backends {
        demo.envs(backends.environment());
    }
    // Ctrl-C must reach the demo, which has things to clean up, and nobody in between.
    Err(demo.exec()).with_context(|| "cannot start the demo")
}
