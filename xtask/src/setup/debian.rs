//! Programs unpacked from Debian's packages: no service, no user, nothing installed.

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

/// Path of a package's `program`, such as `usr/bin/prometheus`; the rest of the package lies around it.
///
/// # Errors
/// When apt does not offer the package or the download fails.
pub(crate) fn get(paths: &Paths, package: &str, program: &str) -> Result<PathBuf> {
    let version = match apt::candidate(package) {
        Ok(Some(version)) => version,
        _ if is_root() => {
            step("apt-get update", || apt::apt_get(&["update", "--quiet"]))?;
            apt::candidate(package)?.with_context(|| format!("apt offers no {package}"))?
        }
        _ => anyhow::bail!("apt offers no {package}; run `sudo apt-get update` and try again"),
    };
    let directory = paths.backends().join(format!("{package}-{version}"));
    let binary = directory.join(program);
    if binary.is_file() {
        skip(package, binary.display());
        return Ok(binary);
    }
    step(&format!("download {package} {version}"), || {
        download(package, program, &directory)
    })?;
    Ok(binary)
}

/// Unpacks beside the final place and renames, so that an interrupted download leaves nothing half done.
fn download(package: &str, program: &str, directory: &Path) -> Result<()> {
    let partial = directory.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    // Root's apt fetches as the user _apt unless told otherwise, who may not write here.
    run(Command::new("apt-get")
        .args(["download", "--quiet", package])
        .args(["--option", "APT::Sandbox::User=root"])
        .current_dir(&partial))?;
    let file = fs::read_dir(&partial)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no package")?;
    run(Command::new("dpkg").arg("-x").arg(&file).arg(&partial))?;
    fs::remove_file(&file)?;
    fs::rename(&partial, directory)?;
    output(Command::new(directory.join(program)).arg("--version"))
        .with_context(|| format!("the unpacked {package} does not run"))?;
    Ok(())
}
