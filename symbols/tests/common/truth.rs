//! What the Go toolchain itself says of a binary.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use object::{Object as _, ObjectSection as _};

use super::code::Code;
use super::{Built, build, go, output, run};

/// A line of `go tool nm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) address: u64,
    pub(crate) size: u64,
    pub(crate) kind: char,
}

/// A struct as Go's `debug/dwarf` reads it: its size, and its fields by name and offset.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Struct {
    pub(crate) size: u32,
    pub(crate) fields: Vec<(String, u32)>,
}

/// Everything asked of one binary that was not stripped; it holds for its stripped twin too.
pub(crate) struct Truth {
    pub(crate) symbols: BTreeMap<String, Vec<Symbol>>,
    pub(crate) structs: BTreeMap<String, Struct>,
    pub(crate) code: Code,
    /// Address and bytes of the code.
    text: (u64, Vec<u8>),
}

impl Truth {
    /// Asks the toolchain.
    pub(crate) fn of(built: &Built) -> Self {
        let symbols = nm(&built.path);
        Self {
            code: Code::of(built, functions(&symbols)),
            structs: structs(built),
            text: text(built),
            symbols,
        }
    }

    /// Says whether another build has the same code at the same place.
    pub(crate) fn is_of(&self, twin: &Built) -> bool {
        self.text == text(twin)
    }

    /// Measures a function without the words of zeros behind it, which the toolchain counts in on arm64.
    pub(crate) fn unpadded(&self, symbol: &Symbol) -> u64 {
        let (start, code) = &self.text;
        let first = usize::try_from(symbol.address - start).expect("code fits into memory");
        let size = usize::try_from(symbol.size).expect("code fits into memory");
        let words = code[first..first + size].chunks_exact(4).rev();
        let zeros = words.take_while(|word| *word == [0; 4]).count();
        symbol.size - 4 * zeros as u64
    }

    /// Lists the functions of Go code.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (&str, &[Symbol])> {
        functions(&self.symbols)
    }
}

/// Lists the symbols of Go code: in cgo programs, C functions lie around it. Not listed are the linker's
/// markers (`go:textfipsend`), the second names that a plugin has for its own use (`local.main.init`), and
/// the generated functions of types that programs with plugins name by a hash.
fn functions(symbols: &BTreeMap<String, Vec<Symbol>>) -> impl Iterator<Item = (&str, &[Symbol])> {
    let at = |name: &str| symbols[name][0].address;
    let text = at("runtime.text")..at("runtime.etext");
    symbols.iter().filter_map(move |(name, found)| {
        let is_body = |symbol: &Symbol| {
            matches!(symbol.kind, 'T' | 't') && symbol.size > 0 && text.contains(&symbol.address)
        };
        let is_marker = ["go:textfips", "local."]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        let is_listed = found.iter().all(is_body) && !is_marker && !is_hash(name);
        is_listed.then_some((name.as_str(), found.as_slice()))
    })
}

/// Tells `type:.1uJYDrHb` from `type:.eq.runtime.g`.
fn is_hash(name: &str) -> bool {
    name.strip_prefix("type:.")
        .is_some_and(|rest| !rest.starts_with("eq.") && !rest.starts_with("hash."))
}

/// Says whether two builds have the same code at the same place.
pub(crate) fn has_same_code(one: &Built, other: &Built) -> bool {
    text(one) == text(other)
}

/// Reads the section of the code.
fn text(built: &Built) -> (u64, Vec<u8>) {
    let file = object::File::parse(built.data.as_slice()).expect("Go writes ELF files");
    let text = file.section_by_name(".text").expect("a program has code");
    let bytes = text.data().expect("the file holds its code").to_vec();
    (text.address(), bytes)
}

/// Lists all symbols by name, several under names that occur more than once.
pub(crate) fn nm(binary: &Path) -> BTreeMap<String, Vec<Symbol>> {
    let mut symbols = BTreeMap::<String, Vec<Symbol>>::new();
    let path = binary.to_str().expect("the path is text");
    for line in go(&output(), &[], &["tool", "nm", "-size", path]).lines() {
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

/// Reads every struct with Go's `debug/dwarf`.
pub(crate) fn structs(built: &Built) -> BTreeMap<String, Struct> {
    static TRUTH: OnceLock<Built> = OnceLock::new();
    let program = TRUTH.get_or_init(|| build("truth", &unique("truth"), &[], &[]));
    let text = run(Command::new(&program.path).arg(&built.path));
    let mut structs = BTreeMap::<String, Struct>::new();
    let mut current = Struct::default();
    let mut name = "";
    for line in text.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        match words.as_slice() {
            ["", field, offset] => {
                let offset = offset.parse().expect("an offset");
                current.fields.push(((*field).to_owned(), offset));
            }
            [next, size] => {
                structs.insert(name.to_owned(), current);
                name = next;
                current = Struct {
                    size: size.parse().expect("a size"),
                    fields: Vec::new(),
                };
            }
            _ => panic!("{line:?} from {}", program.path()),
        }
    }
    structs.insert(name.to_owned(), current);
    structs.remove("");
    structs
}

/// Test binaries run at the same time and share a folder.
fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// Lists the lines of `go version -m` without the first, split at tabs.
pub(crate) fn version_m(binary: &Path) -> (String, Vec<Vec<String>>) {
    let path = binary.to_str().expect("the path is text");
    let text = go(&output(), &[], &["version", "-m", path]);
    let mut lines = text.lines();
    let version = lines
        .next()
        .and_then(|line| line.rsplit(": ").next())
        .unwrap_or_default()
        .to_owned();
    let split = |line: &str| line.trim_start().split('\t').map(str::to_owned).collect();
    (version, lines.map(split).collect())
}
