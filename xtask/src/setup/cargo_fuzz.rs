//! cargo-fuzz, built once into the cache, with the nightly that its targets need.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::nightly;
use crate::{
    build,
    paths::Paths,
    run::{output, run, skip, step},
};

const VERSION: &str = "0.13.2";

/// A ready cargo-fuzz.
pub(crate) struct CargoFuzz(PathBuf);

impl CargoFuzz {
    /// Finds or builds cargo-fuzz.
    ///
    /// # Errors
    /// When there is no nightly, with the command that installs one; when the build fails.
    pub(crate) fn get(paths: &Paths) -> Result<Self> {
        output(nightly::rustup("rustc").arg("-V"))
            .context("fuzzing needs a nightly compiler: run `rustup toolchain install nightly`")?;
        let root = paths.cache.join(format!("tools/cargo-fuzz-{VERSION}"));
        let binary = root.join("bin/cargo-fuzz");
        if binary.is_file() {
            skip("cargo-fuzz", binary.display());
            return Ok(Self(binary));
        }
        let name = format!("build cargo-fuzz {VERSION} (about a minute)");
        step(&name, || {
            run(build::cargo()
                .args(["install", "cargo-fuzz", "--version", VERSION, "--locked"])
                .arg("--root")
                .arg(&root)
                .env("CARGO_TARGET_DIR", paths.target.join("cargo-fuzz")))
        })?;
        Ok(Self(binary))
    }

    /// A cargo-fuzz command under the nightly.
    pub(crate) fn command(&self, verb: &str) -> Command {
        let mut command = nightly::rustup(&self.0);
        command.arg(verb);
        command
    }
}
