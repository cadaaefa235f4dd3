//! Builds the fixture programs with the installed Go, and asks the Go toolchain for the truth.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses another part of this module"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where binaries of this test run go; Go's own cache makes a second build cheap.
fn output() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Runs Go with settings that do not depend on the user's: the installed release, or the one that
/// `GOLENS_TEST_TOOLCHAIN` names (`go1.21.13`).
fn go(directory: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let ran = command(directory, environment, arguments)
        .output()
        .expect("go is installed");
    text_of(&ran, arguments)
}

fn command(directory: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
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
    command.envs(environment.iter().copied());
    command
}

fn text_of(ran: &Output, arguments: &[&str]) -> String {
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "go {arguments:?} failed: {errors}");
    String::from_utf8(ran.stdout.clone()).expect("go prints text")
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

/// Asks `go tool addr2line` for the function and `file:line` of each address.
pub(crate) fn addr2line(binary: &Path, addresses: &[u64]) -> Vec<(String, String)> {
    let path = binary.to_str().expect("the path is text");
    let arguments = ["tool", "addr2line", path];
    let mut child = command(&output(), &[], &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("go is installed");
    let mut input = child.stdin.take().expect("stdin is a pipe");
    let questions: String = addresses.iter().map(|at| format!("{at:#x}\n")).collect();
    let asking = std::thread::spawn(move || input.write_all(questions.as_bytes()));
    let ran = child.wait_with_output().expect("the child is ours");
    asking
        .join()
        .expect("writing does not panic")
        .expect("addr2line reads all");
    let text = text_of(&ran, &arguments);
    let lines: Vec<&str> = text.lines().collect();
    let pair = |pair: &[&str]| (pair[0].to_owned(), pair[1].to_owned());
    lines.chunks_exact(2).map(pair).collect()
}

/// A line of `go tool objdump`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disassembled {
    pub(crate) address: u64,
    /// The bytes as hex digits.
    pub(crate) bytes: String,
    /// The instruction in the form that was asked for.
    pub(crate) text: String,
}

/// Disassembles the functions whose name matches, in Go's syntax, or with `-gnu` also in GNU syntax.
pub(crate) fn objdump(binary: &Path, names: &str, flags: &[&str]) -> Vec<Disassembled> {
    let path = binary.to_str().expect("the path is text");
    let mut arguments = vec!["tool", "objdump", "-s", names];
    arguments.extend(flags);
    arguments.push(path);
    let text = go(&output(), &[], &arguments);
    let line = |line: &str| {
        let mut fields = line
            .split('\t')
            .map(str::trim)
            .filter(|field| !field.is_empty());
        // The source line before the address may be empty.
        let address = fields.find_map(|field| field.strip_prefix("0x"))?;
        let address = u64::from_str_radix(address, 16).ok()?;
        let bytes = fields.next()?.to_owned();
        let text = fields.next().unwrap_or_default().to_owned();
        Some(Disassembled {
            address,
            bytes,
            text,
        })
    };
    text.lines().filter_map(line).collect()
}
