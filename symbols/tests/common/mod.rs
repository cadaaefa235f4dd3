//! Builds the fixture programs with the installed Go, and asks the Go toolchain for the truth.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses another part of this module"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where binaries of this test run go; Go's own cache makes a second build cheap.
fn output() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Runs Go with settings that do not depend on the user's: the installed release, or the one that
/// `GOLENS_TEST_TOOLCHAIN` names (`go1.21.13`).
fn go(directory: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let toolchain = std::env::var("GOLENS_TEST_TOOLCHAIN").unwrap_or_else(|_| "local".to_owned());
    let mut command = Command::new("go");
    command.current_dir(directory).args(arguments);
    for (name, value) in [
        ("GOTOOLCHAIN", toolchain.as_str()),
        ("GOFLAGS", ""),
        ("GOENV", "off"),
        ("CGO_ENABLED", "0"),
    ] {
        command.env(name, value);
    }
    let ran = command
        .envs(environment.iter().copied())
        .output()
        .expect("go is installed");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "go {arguments:?} failed: {errors}");
    String::from_utf8(ran.stdout).expect("go prints text")
}

/// A built program.
pub(crate) struct Built {
    pub(crate) path: PathBuf,
    pub(crate) data: Vec<u8>,
}

/// Builds `tests/fixture/{program}` as `name`, which no other test may use.
pub(crate) fn build(
    program: &str,
    name: &str,
    flags: &[&str],
    environment: &[(&str, &str)],
) -> Built {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture");
    let path = output().join(name);
    let package = format!("./{program}");
    let target = path.to_str().expect("the path is text");
    let arguments: Vec<&str> = ["build", "-o", target]
        .iter()
        .chain(flags)
        .copied()
        .chain([package.as_str()])
        .collect();
    go(&fixture, environment, &arguments);
    let data = std::fs::read(&path).expect("go wrote the binary");
    Built { path, data }
}

/// A line of `go tool nm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) address: u64,
    pub(crate) size: u64,
    pub(crate) kind: char,
}

/// Lists all symbols by name, several under names that occur more than once.
pub(crate) fn nm(binary: &Path) -> BTreeMap<String, Vec<Symbol>> {
    let mut symbols = BTreeMap::<String, Vec<Symbol>>::new();
    let text = go(
        &output(),
        &[],
        &[
            "tool",
            "nm",
            "-size",
            binary.to_str().expect("the path is text"),
        ],
    );
    for line in text.lines() {
        let mut rest = line.trim_start();
        let mut word = || {
            let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = tail.trim_start();
            word.to_owned()
        };
        let (address, size, kind) = (word(), word(), word());
        let (Ok(address), Ok(size)) = (u64::from_str_radix(&address, 16), size.parse()) else {
            continue;
        };
        let Some(kind) = kind.chars().next() else {
            continue;
        };
        symbols.entry(rest.to_owned()).or_default().push(Symbol {
            address,
            size,
            kind,
        });
    }
    symbols
}

/// Lists the lines of `go version -m` without the first, split at tabs.
pub(crate) fn version_m(binary: &Path) -> (String, Vec<Vec<String>>) {
    let text = go(
        &output(),
        &[],
        &["version", "-m", binary.to_str().expect("the path is text")],
    );
    let mut lines = text.lines();
    let version = lines
        .next()
        .and_then(|line| line.rsplit(' ').next())
        .unwrap_or_default()
        .to_owned();
    let split = |line: &str| line.trim_start().split('\t').map(str::to_owned).collect();
    (version, lines.map(split).collect())
}
