//! Answers about code: source lines, returns, and what lies behind calls.

use std::collections::{BTreeMap, BTreeSet};

use symbols::{Function, GoBinary};

use super::compare::{Compared, Tally};
use super::truth::Symbol;
use super::{Built, Disassembled, addr2line, objdump};

/// The functions that are disassembled: those golens looks at are among them.
const DISASSEMBLED: &str = r"^(runtime|os|net|net/http|internal/poll)\.";
/// The functions whose calls are looked at, one by one.
const CALLERS: [&str; 3] = ["os.", "net.", "net/http."];

/// What the toolchain's own readers of code print.
pub(crate) struct Code {
    /// Address, function and `file:line`.
    lines: Vec<(u64, String, String)>,
    functions: BTreeMap<u64, Body>,
}

/// A function as it is disassembled.
#[derive(Default)]
struct Body {
    name: String,
    returns: Vec<u64>,
    /// Calls by the name of the function called.
    calls: BTreeMap<String, BTreeSet<u64>>,
    /// The disassembler lost its way: it does not know every instruction.
    torn: bool,
}

impl Code {
    /// Asks about the functions given, which lie in the binary under these names.
    pub(crate) fn of<'s>(
        built: &Built,
        functions: impl Iterator<Item = (&'s str, &'s [Symbol])>,
    ) -> Self {
        let mut bodies = BTreeMap::new();
        let mut places = Vec::new();
        for (name, symbols) in functions {
            for symbol in symbols {
                // The middle, at an address that is an instruction's on a machine of fixed length.
                places.push(symbol.address);
                places.push(symbol.address + symbol.size / 8 * 4);
                bodies.insert(symbol.address, (name, symbol.size));
            }
        }
        let lines = addr2line(&built.path, &places).into_iter();
        let lines = places.into_iter().zip(lines);
        Self {
            lines: lines
                .map(|(pc, (function, line))| (pc, function, line))
                .collect(),
            functions: sort(&objdump(&built.path, DISASSEMBLED, &[]), &bodies),
        }
    }
}

/// Gives each instruction that matters to its function.
fn sort(instructions: &[Disassembled], bodies: &BTreeMap<u64, (&str, u64)>) -> BTreeMap<u64, Body> {
    let mut functions = BTreeMap::<u64, Body>::new();
    for Disassembled {
        address,
        bytes,
        text,
    } in instructions
    {
        let Some((start, (name, size))) = bodies.range(..=address).next_back() else {
            continue;
        };
        if address - start >= *size {
            continue;
        }
        let body = functions.entry(*start).or_default();
        body.name = (*name).to_owned();
        let mut words = text.split_whitespace();
        match words.next() {
            Some("RET") => body.returns.push(*address),
            Some("CALL") => {
                let callee = words.next().and_then(|word| word.strip_suffix("(SB)"));
                if let Some(callee) = callee {
                    let calls = body.calls.entry(callee.to_owned()).or_default();
                    calls.insert(*address);
                }
            }
            // Words of zeros are padding, not an instruction.
            Some("?") => body.torn |= bytes.bytes().any(|digit| digit != b'0'),
            _ => {}
        }
    }
    functions.retain(|_, body| !body.torn);
    functions
}

/// Compares a binary with the same code.
pub(crate) fn compare(compared: &mut Compared, binary: &GoBinary<'_>, code: &Code) {
    lines(compared, binary, code);
    for (address, body) in &code.functions {
        let Some(function) = binary.function_at(*address) else {
            compared.wrong.push(format!("no function at {address:#x}"));
            continue;
        };
        let found = binary.returns(&function);
        let tally: fn(&mut Compared) -> &mut Tally = |all| &mut all.returns;
        compared.check(
            tally,
            &format!("returns of {}", body.name),
            found,
            &body.returns,
        );
        if CALLERS.iter().any(|package| body.name.starts_with(package)) {
            calls(compared, binary, &function, body);
        }
    }
}

fn lines(compared: &mut Compared, binary: &GoBinary<'_>, code: &Code) {
    for (pc, function, line) in &code.lines {
        let found = binary.frames_at(*pc).map(|frames| {
            let inner = frames.first().expect("there is a function");
            let outer = frames.last().expect("there is a function");
            let line = format!("{}:{}", inner.file, inner.line);
            (is_name(&outer.function, function), line)
        });
        if let Ok((_, found)) = &found
            && line == "?:0"
            && found.contains(".s:")
        {
            // Up to go1.19 addr2line does not know assembly functions without a package.
            continue;
        }
        let what = format!("{function} at {pc:#x}");
        compared.check(|all| &mut all.lines, &what, found, &(true, line.clone()));
    }
}

/// Says whether the function table means the function that the symbol table names.
fn is_name(found: &str, name: &str) -> bool {
    let name = name.strip_suffix(".abi0").unwrap_or(name);
    // The symbol table writes the middle dot of names the compiler made as a full stop.
    let name = name.replace('·', ".");
    let short = match (name.split_once('['), name.rsplit_once(']')) {
        (Some((before, _)), Some((_, after))) => format!("{before}[...]{after}"),
        _ => name.clone(),
    };
    let found = found.replace('·', ".");
    found == name || found == short
}

fn calls(compared: &mut Compared, binary: &GoBinary<'_>, caller: &Function, body: &Body) {
    for (callee, truth) in &body.calls {
        let Ok(function) = binary.function(callee) else {
            continue;
        };
        let found = binary.after_calls(caller, &function, 1);
        let found = found.map(|calls| calls.iter().map(|call| call.call).collect());
        let what = format!("calls of {callee} in {}", body.name);
        compared.check(|all| &mut all.calls, &what, found, truth);
    }
}
