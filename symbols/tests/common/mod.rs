//! Builds the fixture programs with Go; its submodules ask the Go toolchain for the truth and compare.
#![allow(
    dead_code,
    unused_imports,
    clippy::allow_attributes,
    reason = "each test file uses another part of this module"
)]

mod assembly;
mod builds;
mod code;
mod compare;
mod matrix;
mod support;
mod truth;

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) use assembly::{Disassembled, addr2line, objdump};
pub(crate) use builds::{CGO, EXE, Recipe, hold_stripped, hold_whole};
pub(crate) use compare::{Compared, Tally, compare};
pub(crate) use matrix::{Row, TOOLCHAINS, row};
pub(crate) use support::{differences, page, path as support_page};
pub(crate) use truth::{Struct, Symbol, Truth, nm, structs, version_m};

/// The folder of the fixture module.
pub(crate) fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture")
}

/// Where binaries of this test run go; Go's own cache makes a second build cheap.
pub(crate) fn output() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Runs Go with settings that do not depend on the user's: the installed release, or the one that
/// `GOLENS_TEST_TOOLCHAIN` names (`go1.21.13`).
pub(crate) fn go(directory: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    run(&mut go_command(directory, environment, arguments))
}

/// The command that [`go`] runs.
fn go_command(directory: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let toolchain = std::env::var("GOLENS_TEST_TOOLCHAIN").unwrap_or_else(|_| "local".to_owned());
    let mut command = Command::new("go");
    command.current_dir(directory).args(arguments);
    for (name, value) in [
        ("GOTOOLCHAIN", toolchain.as_str()),
        ("GOFLAGS", ""),
        ("GOENV", "off"),
        ("GOAMD64", "v1"),
        ("GOEXPERIMENT", ""),
        ("CGO_ENABLED", "0"),
    ] {
        command.env(name, value);
    }
    command.envs(environment.iter().copied());
    command
}

/// Runs a command that must succeed; answers what it prints.
pub(crate) fn run(command: &mut Command) -> String {
    let ran = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    printed(command, ran)
}

/// What a command that must have succeeded has printed.
fn printed(command: &Command, ran: Output) -> String {
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{command:?} failed: {errors}");
    String::from_utf8(ran.stdout).expect("tools print text")
}

/// Prints a line also when the test passes: what was compared is a result.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    writeln!(std::io::stdout(), "{line}").expect("the test has an output");
}

/// A built program.
pub(crate) struct Built {
    pub(crate) path: PathBuf,
    pub(crate) data: Vec<u8>,
}

impl Built {
    /// Reads a file that a tool wrote.
    pub(crate) fn read(path: PathBuf) -> Self {
        let data = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        Self { path, data }
    }

    /// Answers the path as tools take it.
    pub(crate) fn path(&self) -> &str {
        self.path.to_str().expect("the path is text")
    }
}

/// Builds `tests/fixture/{program}` as `name`, which no other test may use.
pub(crate) fn build(
    program: &str,
    name: &str,
    flags: &[&str],
    environment: &[(&str, &str)],
) -> Built {
    let path = output().join(name);
    let package = format!("./{program}");
    let target = path.to_str().expect("the path is text");
    let arguments: Vec<&str> = ["build", "-o", target]
        .iter()
        .chain(flags)
        .copied()
        .chain([package.as_str()])
        .collect();
    go(&fixture(), environment, &arguments);
    Built::read(path)
}
