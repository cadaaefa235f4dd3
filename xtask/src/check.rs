//! Format, lints and tidy in one command.

use anyhow::Result;

use crate::{
    build::{bpf_cargo, cargo},
    paths::Paths,
    run::{run as run_command, step},
    setup::{self, Bpf, Compiler},
    tidy,
};

/// Runs every check that needs no test run.
///
/// # Errors
/// When one of them finds something.
pub(crate) fn run(paths: &Paths) -> Result<()> {
    step("rustfmt", || {
        run_command(
            cargo()
                .args(["fmt", "--all", "--check"])
                .current_dir(&paths.root),
        )
    })?;
    step("clippy, host", || {
        run_command(
            cargo()
                .args(["clippy", "--workspace", "--all-targets", "--quiet"])
                .args(["--", "--deny", "warnings"])
                .current_dir(&paths.root)
                .env("CARGO_TARGET_DIR", &paths.target),
        )
    })?;
    let bpf = setup::bpf(paths)?;
    step("clippy, BPF target", || clippy_bpf(paths, &bpf))?;
    tidy::run(paths)
}

/// Debian's clippy is called as rustc's wrapper: `cargo clippy` would find rustup's driver, whose version differs.
fn clippy_bpf(paths: &Paths, bpf: &Bpf) -> Result<()> {
    match bpf.compiler {
        Compiler::Debian => run_command(
            bpf_cargo(paths, bpf, "check")
                .env("RUSTC_WORKSPACE_WRAPPER", setup::CLIPPY_DRIVER)
                .env(
                    "CLIPPY_ARGS",
                    "-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__",
                ),
        ),
        Compiler::Nightly => {
            run_command(bpf_cargo(paths, bpf, "clippy").args(["--", "--deny", "warnings"]))
        }
    }
}
