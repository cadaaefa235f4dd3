//! Where things are: the repository, cargo's target directory and the cache outside git.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::run::output;

/// The folders every task works in.
pub(crate) struct Paths {
    /// Root of the repository.
    pub(crate) root: PathBuf,
    /// Cargo's target directory, the caller's `CARGO_TARGET_DIR` respected.
    pub(crate) target: PathBuf,
    /// Tools and back ends, kept between builds and between checkouts.
    pub(crate) cache: PathBuf,
}

impl Paths {
    /// Finds the folders from the environment cargo gives to `cargo xtask`.
    pub(crate) fn find() -> Result<Self> {
        let root = root()?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => root.join(dir),
            None => root.join("target"),
        };
        Ok(Self {
            cache: cache()?,
            root,
            target,
        })
    }

    /// Target directory of the BPF build; apart, so that its flags do not rebuild the host's crates.
    pub(crate) fn bpf_target(&self) -> PathBuf {
        self.target.join("bpf")
    }

    /// The cache's folder for back ends.
    pub(crate) fn backends(&self) -> PathBuf {
        self.cache.join("backends")
    }
}

fn root() -> Result<PathBuf> {
    let manifest = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(dir) => PathBuf::from(dir).join("Cargo.toml"),
        None => PathBuf::from(output(Command::new("cargo").args([
            "locate-project",
            "--workspace",
            "--message-format=plain",
        ]))?),
    };
    manifest
        .ancestors()
        .skip(1)
        .find(|dir| dir.join("Cargo.lock").is_file())
        .map(Path::to_path_buf)
        .with_context(|| format!("no workspace above {}", manifest.display()))
}

fn cache() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("GOLENS_CACHE") {
        return Ok(env::current_dir()?.join(dir));
    }
    if let Some(dir) = env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(dir).join("golens"));
    }
    let home = env::var_os("HOME").context("neither GOLENS_CACHE nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/golens"))
}
