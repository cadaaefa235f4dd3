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
    let committed = of(paths, target);
    let sources = [
        seeds.join(target),
        scratch(paths).join("found").join(target),
        committed.clone(),
    ];
    let all = empty(scratch(paths).join("all").join(target))?;
    for source in sources.iter().filter(|source| source.is_dir()) {
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            fs::copy(entry.path(), all.join(entry.file_name()))?;
        }
    }
    // How often an edge is passed matters to fuzzing, which finds such inputs again, not to the replay.
    run(fuzzer
        .command("cmin")
        .arg(target)
        .arg(&all)
        .args(["--", "-use_counters=0"]))?;
    let committed = empty(committed)?;
    let mut bytes = 0;
    for entry in fs::read_dir(&all)? {
        let entry = entry?;
        bytes += fs::copy(entry.path(), committed.join(entry.file_name()))?;
    }
    say(format_args!("    {bytes} bytes"));
    Ok(())
}

fn empty(directory: PathBuf) -> Result<PathBuf> {
    if directory.is_dir() {
        fs::remove_dir_all(&directory).with_context(|| format!("empty {}", directory.display()))?;
    }
    made(directory)
}
