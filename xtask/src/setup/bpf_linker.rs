//! bpf-linker, built once into the cache.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::{Compiler, apt, nightly};
use crate::{
    build,
    paths::Paths,
    run::{output, run, skip, step},
};

const VERSION: &str = "0.13.0";

/// Path of a bpf-linker whose LLVM is the compiler's.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn get(paths: &Paths, compiler: Compiler) -> Result<PathBuf> {
    let (suffix, llvm) = match compiler {
        Compiler::Debian => (String::new(), Some((22, PathBuf::from(apt::LLVM_PREFIX)))),
        Compiler::Nightly => {
            let major = nightly::llvm_major()?;
            (
                format!("-llvm-{major}"),
                llvm_prefix(major).map(|prefix| (major, prefix)),
            )
        }
    };
    let root = paths
        .cache
        .join(format!("tools/bpf-linker-{VERSION}{suffix}"));
    let binary = root.join("bin/bpf-linker");
    if binary.is_file() {
        skip("bpf-linker", binary.display());
        return Ok(binary);
    }
    match llvm {
        Some((major, prefix)) => {
            step(
                &format!("build bpf-linker {VERSION} (about a minute)"),
                || install(&root, major, &prefix, paths),
            )?;
            Ok(binary)
        }
        None => on_path().context(
            "no bpf-linker: neither LLVM's development files for the nightly's LLVM version \
             nor a ready bpf-linker on PATH were found; install one of them",
        ),
    }
}

/// Small and quickly built: the linker's own work is done in LLVM, so its release profile only costs time.
fn install(root: &PathBuf, major: u32, llvm_prefix: &PathBuf, paths: &Paths) -> Result<()> {
    run(build::cargo()
        .args(["install", "bpf-linker", "--version", VERSION, "--locked"])
        .args([
            "--no-default-features",
            "--features",
            &format!("llvm-{major}"),
        ])
        .arg("--root")
        .arg(root)
        .env("CARGO_TARGET_DIR", paths.target.join("bpf-linker"))
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true")
        .env("LLVM_PREFIX", llvm_prefix))
}

fn llvm_prefix(major: u32) -> Option<PathBuf> {
    [format!("llvm-config-{major}"), "llvm-config".to_owned()]
        .iter()
        .find_map(|program| {
            let version = output(Command::new(program).arg("--version")).ok()?;
            let found = version.split('.').next()?.parse::<u32>().ok()?;
            let prefix = output(Command::new(program).arg("--prefix")).ok()?;
            (found == major).then(|| PathBuf::from(prefix))
        })
}

fn on_path() -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join("bpf-linker"))
        .find(|path| path.is_file())
}
