//! Makes the corpus that is committed: small, minimised, from real binaries.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{Fuzzer, TARGETS, home, made, scratch};
use crate::{
    build::cargo,
    paths::Paths,
    run::{run, say, step},
};

/// Releases with a function table, module data or descriptors of their own.
const RELEASES: [&str; 6] = [
    "go1.17.13",
    "go1.19.13",
    "go1.21.13",
    "go1.24.13",
    "go1.26.8",
    "go1.27.4",
];
/// What fuzzing found is committed up to this size: a longer input mostly repeats a seed.
const MOST_FOUND: u64 = 4 << 10;
const MACHINES: [&str; 2] = ["amd64", "arm64"];

/// The committed inputs of a target.
pub(super) fn of(paths: &Paths, target: &str) -> PathBuf {
    home(paths).join("corpus").join(target)
}

/// Builds binaries, cuts inputs out of them, adds what fuzzing found here, and minimises all.
///
/// # Errors
/// When a tool is missing or fails.
pub(super) fn make(paths: &Paths) -> Result<()> {
    let fuzzer = Fuzzer::build(paths)?;
    let seeds = empty(scratch(paths).join("seeds"))?;
    let binaries = step(
        "build the smallest program with several Go releases",
        || binaries(paths),
    )?;
    step("cut inputs", || {
        run(cargo()
            .args(["run", "--release", "--example", "seeds", "--manifest-path"])
            .arg(home(paths).join("Cargo.toml"))
            .arg("--")
            .arg(&seeds)
            .args(&binaries)
            .env("CARGO_TARGET_DIR", scratch(paths).join("stable")))
    })?;
    for target in TARGETS {
        step(&format!("minimise {target}"), || {
            minimise(paths, &fuzzer, &seeds, target)
        })?;
    }
    Ok(())
}

fn binaries(paths: &Paths) -> Result<Vec<PathBuf>> {
    let directory = made(scratch(paths).join("binaries"))?;
    let mut binaries = Vec::new();
    for release in RELEASES {
        for machine in MACHINES {
            // Tables of go1.17 hold addresses, and programs for arm64 begin at another one.
            if release.starts_with("go1.17.") && machine == "arm64" {
                continue;
            }
            let binary = directory.join(format!("{release}-{machine}"));
            run(Command::new("go")
                .args(["build", "-trimpath", "-ldflags=-compressdwarf=false", "-o"])
                .arg(&binary)
                .arg("./tiny")
                .current_dir(paths.root.join("symbols/tests/fixture"))
                // go1.19's index of modules does not know the newer layout of the standard library.
                .env("GODEBUG", "goindex=0")
                .envs([("GOTOOLCHAIN", release), ("GOARCH", machine)])
                .envs([("GOENV", "off"), ("GOFLAGS", ""), ("CGO_ENABLED", "0")]))?;
            binaries.push(binary);
        }
    }
    Ok(binaries)
}

/// Keeps one input for each edge that is reached; the committed inputs are replaced.
fn minimise(paths: &Paths, fuzzer: &Fuzzer<'_>, seeds: &Path, target: &str) -> Result<()> {
    let all = empty(scratch(paths).join("all").join(target))?;
    let found = scratch(paths).join("found").join(target);
    copy(&seeds.join(target), &all, u64::MAX)?;
    copy(&of(paths, target), &all, u64::MAX)?;
    copy(&found, &all, MOST_FOUND)?;
    // How often an edge is passed matters to fuzzing, which finds such inputs again, not to the replay.
    run(fuzzer
        .command("cmin")
        .arg(target)
        .arg(&all)
        .args(["--", "-use_counters=0"]))?;
    let bytes = copy(&all, &empty(of(paths, target))?, u64::MAX)?;
    say(format_args!("    {bytes} bytes"));
    Ok(())
}

/// Copies the files of up to `most` bytes; answers how many bytes these were. A folder that is not there is empty.
fn copy(from: &Path, to: &Path, most: u64) -> Result<u64> {
    let mut bytes = 0;
    if !from.is_dir() {
        return Ok(bytes);
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.metadata()?.len() <= most {
            bytes += fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(bytes)
}

fn empty(directory: PathBuf) -> Result<PathBuf> {
    if directory.is_dir() {
        fs::remove_dir_all(&directory).with_context(|| format!("empty {}", directory.display()))?;
    }
    made(directory)
}
