//! The way for systems without Debian's packages: a rustup nightly that compiles `core` along.

use std::{ffi::OsStr, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::run::{output, skip};

/// Checks that a nightly with rust-src is there.
///
/// Setup does not install toolchains by rustup: which one, and from where, is the user's choice.
///
/// # Errors
/// When it is not there, with the command that installs it.
pub(crate) fn check(why: &str) -> Result<()> {
    const INSTALL: &str = "rustup toolchain install nightly --component rust-src";
    let sysroot = output(rustc().args(["--print", "sysroot"])).with_context(|| {
        format!("no BPF compiler: {why}, and there is no rustup nightly; run `{INSTALL}`")
    })?;
    let source = PathBuf::from(sysroot).join("lib/rustlib/src/rust/library/core/src/lib.rs");
    if !source.is_file() {
        bail!("no BPF compiler: {why}, and the rustup nightly has no rust-src; run `{INSTALL}`");
    }
    skip("eBPF compiler", format_args!("rustup nightly ({why})"));
    Ok(())
}

/// LLVM's major version in the nightly, which bpf-linker has to match.
pub(crate) fn llvm_major() -> Result<u32> {
    let version = output(rustc().arg("-vV"))?;
    parse_llvm_major(&version).context("the nightly does not say which LLVM it has")
}

fn parse_llvm_major(version: &str) -> Option<u32> {
    let (_, llvm) = version.split_once("LLVM version: ")?;
    llvm.split('.').next()?.trim().parse().ok()
}

/// The nightly's cargo, freed from the variables with which rustup pins another toolchain.
pub(crate) fn cargo() -> Command {
    rustup("cargo")
}

fn rustc() -> Command {
    rustup("rustc")
}

/// A program that finds the nightly's tools when it starts cargo.
pub(super) fn rustup(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("rustup");
    command
        .args(["run", "nightly"])
        .arg(program)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC")
        .env_remove("CARGO")
        .env_remove("LD_LIBRARY_PATH");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_major_is_read_from_rustc() {
        assert_eq!(
            parse_llvm_major("rustc 1.97.0-nightly\nhost: x\nLLVM version: 22.1.8"),
            Some(22)
        );
        assert_eq!(parse_llvm_major("rustc 1.97.0"), None);
    }
}
