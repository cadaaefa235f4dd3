//! Servers unpacked from Debian's packages: no service, no user, nothing installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::apt;
use crate::{
    paths::Paths,
    run::{is_root, output, run, skip, step},
};

/// A program of a package.
pub(crate) struct Package {
    name: &'static str,
    binary: &'static str,
}

/// promtool lies beside the binary.
pub(crate) const PROMETHEUS: Package = Package {
    name: "prometheus",
    binary: "usr/bin/prometheus",
};

pub(crate) const ETCD: Package = Package {
    name: "etcd-server",
    binary: "usr/bin/etcd",
};

/// Path of the package's binary.
///
/// # Errors
/// When apt does not offer it or the download fails.
pub(crate) fn get(paths: &Paths, package: &Package) -> Result<PathBuf> {
    let name = package.name;
    let version = match apt::candidate(name) {
        Ok(Some(version)) => version,
        _ if is_root() => {
            step("apt-get update", || apt::apt_get(&["update", "--quiet"]))?;
            apt::candidate(name)?.with_context(|| format!("apt offers no {name}"))?
        }
        _ => anyhow::bail!("apt offers no {name}; run `sudo apt-get update` and try again"),
    };
    let directory = paths.backends().join(format!("{name}-{version}"));
    let binary = directory.join(package.binary);
    if binary.is_file() {
        skip(name, binary.display());
        return Ok(binary);
    }
    step(&format!("download {name} {version}"), || {
        download(package, &directory)
    })?;
    Ok(binary)
}

/// Unpacks beside the final place and renames, so that an interrupted download leaves nothing half done.
fn download(package: &Package, directory: &Path) -> Result<()> {
    let partial = directory.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    // Root's apt fetches as the user _apt unless told otherwise, who may not write here.
    run(Command::new("apt-get")
        .args(["download", "--quiet", package.name])
        .args(["--option", "APT::Sandbox::User=root"])
        .current_dir(&partial))?;
    let archive = fs::read_dir(&partial)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no package")?;
    run(Command::new("dpkg").arg("-x").arg(&archive).arg(&partial))?;
    fs::remove_file(&archive)?;
    fs::rename(&partial, directory)?;
    let binary = directory.join(package.binary);
    output(Command::new(&binary).arg("--version"))
        .with_context(|| format!("the unpacked {} does not run", package.name))?;
    Ok(())
}
