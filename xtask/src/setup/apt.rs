//! Debian's packaged rustc with a ready `core` for BPF, clippy for it, and LLVM for bpf-linker.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use crate::run::{is_root, output, run, step};

/// Debian's compiler; rustup's comes earlier on most `PATH`s, so the full path is used.
pub(crate) const RUSTC: &str = "/usr/bin/rustc";
/// Clippy's driver of the same version.
pub(crate) const CLIPPY_DRIVER: &str = "/usr/bin/clippy-driver";
/// LLVM of that compiler; bpf-linker must have the same.
pub(crate) const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

const PACKAGES: [&str; 4] = [
    "rustc-web",
    "rust-web-clippy",
    "libstd-rust-web-dev-bpf",
    "llvm-22-dev",
];

/// What came of trying to install the packages.
pub(crate) enum Outcome {
    Installed,
    /// This system does not have them, and why we think so.
    NotOffered(String),
}

/// Whether all packages are installed.
pub(crate) fn is_installed() -> Result<bool> {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        return Ok(false);
    }
    let status = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}\n"])
        .args(PACKAGES)
        .output()?;
    let installed = String::from_utf8_lossy(&status.stdout)
        .lines()
        .filter(|line| *line == "installed")
        .count();
    Ok(installed == PACKAGES.len())
}

/// The compiler's version line.
pub(crate) fn version() -> Result<String> {
    output(
        Command::new(RUSTC)
            .arg("--version")
            .env_remove("LD_LIBRARY_PATH"),
    )
}

/// Installs the packages, if this system offers them.
///
/// # Errors
/// Without root, with the exact command to run; when apt fails.
pub(crate) fn install() -> Result<Outcome> {
    if !Path::new("/usr/bin/apt-get").exists() {
        return Ok(Outcome::NotOffered("this system has no apt-get".to_owned()));
    }
    if let Some(missing) = not_offered()? {
        if !is_root() {
            return Ok(Outcome::NotOffered(format!(
                "apt knows no {missing} (if its lists are old: `sudo apt-get update`)"
            )));
        }
        step("apt-get update", || apt_get(&["update", "--quiet"]))?;
        if not_offered()?.is_some() {
            return Ok(Outcome::NotOffered(format!("apt offers no {missing}")));
        }
    }
    if !is_root() {
        bail!("{}", needs_root());
    }
    step(&format!("install {} (208 MB)", PACKAGES.join(", ")), || {
        let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
        arguments.extend(PACKAGES);
        // Lists that were read some time ago may name files that have been replaced since.
        apt_get(&arguments).or_else(|_| {
            apt_get(&["update", "--quiet"])?;
            apt_get(&arguments)
        })
    })?;
    Ok(Outcome::Installed)
}

/// Installs a tool that the tests run from Debian's package, where it is missing.
///
/// # Errors
/// Without root or apt, with the command to run; when apt fails.
pub(crate) fn tool(name: &str, package: &str) -> Result<()> {
    let is_there = |directory: &str| Path::new(directory).join(name).is_file();
    if std::env::var("PATH")
        .unwrap_or_default()
        .split(':')
        .any(is_there)
    {
        return Ok(());
    }
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        bail!("{name} is missing; install it, with apt: sudo apt-get install {package}");
    }
    step(&format!("install {name}"), || {
        let arguments = [
            "install",
            "--yes",
            "--quiet",
            "--no-install-recommends",
            package,
        ];
        apt_get(&arguments).or_else(|_| {
            apt_get(&["update", "--quiet"])?;
            apt_get(&arguments)
        })
    })
}

/// The first package without a candidate in apt's lists as they are.
fn not_offered() -> Result<Option<&'static str>> {
    for package in PACKAGES {
        if candidate(package)?.is_none() {
            return Ok(Some(package));
        }
    }
    Ok(None)
}

/// The version apt would install.
pub(crate) fn candidate(package: &str) -> Result<Option<String>> {
    let policy = output(
        Command::new("apt-cache")
            .args(["policy", package])
            .env("LC_ALL", "C"),
    )?;
    Ok(parse_candidate(&policy))
}

fn parse_candidate(policy: &str) -> Option<String> {
    policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))
        .filter(|version| *version != "(none)")
        .map(str::to_owned)
}

/// Runs apt-get without questions.
pub(crate) fn apt_get(arguments: &[&str]) -> Result<()> {
    run(Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

fn needs_root() -> String {
    format!(
        "packages are missing and installing them needs root; run this once:\n  \
         sudo apt-get update && sudo apt-get install --no-install-recommends {}",
        PACKAGES.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidate_is_read_from_apt_policy() {
        let known = "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(
            parse_candidate(known).as_deref(),
            Some("1.96.0+dfsg1-1~deb12u2")
        );
        assert_eq!(parse_candidate("x:\n  Candidate: (none)\n"), None);
        assert_eq!(parse_candidate(""), None);
    }
}
