//! Prometheus, unpacked from Debian's package: no service, no user, nothing installed.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::apt;
use crate::{
    paths::Paths,
    run::{is_root, output, run, skip, step},
};

/// Path of the prometheus binary; promtool lies beside it.
///
/// # Errors
/// When apt does not offer it or the download fails.
pub(crate) fn get(paths: &Paths) -> Result<PathBuf> {
    let version = match apt::candidate("prometheus") {
        Ok(Some(version)) => version,
        _ if is_root() => {
            step("apt-get update", || apt::apt_get(&["update", "--quiet"]))?;
            apt::candidate("prometheus")?.context("apt offers no prometheus")?
        }
        _ => anyhow::bail!("apt offers no prometheus; run `sudo apt-get update` and try again"),
    };
    let directory = paths.backends().join(format!("prometheus-{version}"));
    let binary = directory.join("usr/bin/prometheus");
    if binary.is_file() {
        skip("prometheus", binary.display());
        return Ok(binary);
    }
    step(&format!("download prometheus {version}"), || {
        download(&directory)
    })?;
    Ok(binary)
}

/// Unpacks beside the final place and renames, so that an interrupted download leaves nothing half done.
fn download(directory: &PathBuf) -> Result<()> {
    let partial = directory.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    // Root's apt fetches as the user _apt unless told otherwise, who may not write here.
    run(Command::new("apt-get")
        .args(["download", "--quiet", "prometheus"])
        .args(["--option", "APT::Sandbox::User=root"])
        .current_dir(&partial))?;
    let package = fs::read_dir(&partial)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no package")?;
    run(Command::new("dpkg").arg("-x").arg(&package).arg(&partial))?;
    fs::remove_file(&package)?;
    fs::rename(&partial, directory)?;
    let binary = directory.join("usr/bin/prometheus");
    output(Command::new(&binary).arg("--version"))
        .context("the unpacked prometheus does not run")?;
    Ok(())
}
