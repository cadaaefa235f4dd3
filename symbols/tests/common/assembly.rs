//! What the toolchain's tools say of instructions and source lines.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use super::{go, go_command, output, printed};

/// Asks `go tool addr2line` for the function and `file:line` of each address.
pub(crate) fn addr2line(binary: &Path, addresses: &[u64]) -> Vec<(String, String)> {
    let path = binary.to_str().expect("the path is text");
    let arguments = ["tool", "addr2line", path];
    let mut command = go_command(&output(), &[], &arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
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
    let text = printed(&command, ran);
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

impl Disassembled {
    /// The instruction in GNU syntax, if it was asked for and is known.
    pub(crate) fn gnu(&self) -> Option<&str> {
        Some(self.text.rsplit_once("// ")?.1.trim_end())
    }
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
