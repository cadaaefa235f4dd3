//! How each target turns an input into a file.

use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};

use super::elf::{COMPRESSED, EXECUTE, FUNCTION, OBJECT, WRITE};
use super::go::{self, Build, Module, TEXT};
use super::parts::split;

/// A target and how it makes a file of an input.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub file: fn(&[u8]) -> Vec<u8>,
}

/// Every target, under the names of `fuzz_targets/`.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "elf",
        file: elf,
    },
    Target {
        name: "buildinfo",
        file: buildinfo,
    },
    Target {
        name: "pclntab",
        file: pclntab,
    },
    Target {
        name: "dwarf",
        file: dwarf,
    },
    Target {
        name: "types",
        file: types,
    },
    Target {
        name: "prologue",
        file: prologue,
    },
];

/// The input is the file.
pub fn elf(input: &[u8]) -> Vec<u8> {
    input.to_vec()
}

/// Parts: build, blob, the words and strings that the older form of the blob points to.
pub fn buildinfo(input: &[u8]) -> Vec<u8> {
    const BLOB: u64 = 0x0040_0000;
    const STRINGS: u64 = 0x0041_0000;
    let [build, blob, strings] = split(input);
    let build = Build::read(build);
    let mut elf = super::elf::Elf::new(build.machine());
    elf.position_independent = build.has(Build::POSITION_INDEPENDENT);
    elf.section_headers = !build.has(Build::NO_SECTION_HEADERS);
    elf.load(".go.buildinfo", BLOB, WRITE, blob);
    elf.load(".data", STRINGS, WRITE, strings);
    elf.build()
}

/// Parts: build, function table, inline trees, text.
pub fn pclntab(input: &[u8]) -> Vec<u8> {
    let [build, table, funcdata, text] = split(input);
    let build = Build::read(build);
    let mut elf = go::program(build);
    go::add_functions(&mut elf, text, table, funcdata);
    go::add_module(
        &mut elf,
        build,
        &Module {
            text: text.len(),
            ..Module::default()
        },
    );
    elf.build()
}

/// Parts: build, `.debug_info`, `.debug_abbrev`, `.debug_str`, `.debug_line_str`.
pub fn dwarf(input: &[u8]) -> Vec<u8> {
    let [build, info, abbrev, strings, line_strings] = split(input);
    let build = Build::read(build);
    let mut elf = go::program(build);
    for (name, data) in [
        ("info", info),
        ("abbrev", abbrev),
        ("str", strings),
        ("line_str", line_strings),
    ] {
        if build.has(Build::COMPRESSED) {
            let mut section = vec![0; 24];
            section.splice(..1, [1]);
            section.splice(8..16, (data.len() as u64).to_le_bytes());
            section.extend(compress(data));
            elf.keep(&format!(".debug_{name}"), COMPRESSED, section);
        } else if build.has(Build::OLD_COMPRESSED) {
            let mut section = b"ZLIB".to_vec();
            section.extend((data.len() as u64).to_be_bytes());
            section.extend(compress(data));
            elf.keep(&format!(".zdebug_{name}"), 0, section);
        } else {
            elf.keep(&format!(".debug_{name}"), 0, data);
        }
    }
    elf.build()
}

fn compress(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    // Writing to a vector cannot fail.
    let written = encoder.write_all(data).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// Parts: build, descriptors and names, offsets of descriptors, addresses of interface tables.
///
/// Of go1.27 the last two parts hold names and the interface tables themselves.
pub fn types(input: &[u8]) -> Vec<u8> {
    let [build, types, type_links, table_links] = split(input);
    let build = Build::read(build);
    let mut elf = go::program(build);
    // A function table that nothing is asked of, but that module data begins with.
    elf.load(".text", TEXT, EXECUTE, [0xc3; 16]);
    elf.load(".gopclntab", go::PCLNTAB, 0, empty_table());
    let mut module = Module {
        text: 16,
        types: types.len(),
        descriptors: types.len(),
        ..Module::default()
    };
    if build.minor >= 27 {
        let section = [types, table_links, type_links].concat();
        module.types = section.len();
        elf.load(".go.type", go::TYPES, 0, section);
    } else {
        elf.load(".rodata", go::TYPES, 0, types);
        elf.load(".typelink", go::TYPE_LINKS, 0, type_links);
        elf.load(".itablink", go::TABLE_LINKS, 0, table_links);
    }
    (module.type_links, module.table_links) = (type_links.len(), table_links.len());
    go::add_module(&mut elf, build, &module);
    elf.build()
}

/// A header of go1.20 with one function and all parts behind it.
fn empty_table() -> Vec<u8> {
    let mut table = vec![0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
    for word in [1, 0, TEXT, 72, 72, 72, 72, 72] {
        table.extend(u64::to_le_bytes(word));
    }
    table.resize(128, 0);
    table
}

/// Parts: build, code of a function, code of the function it calls.
pub fn prologue(input: &[u8]) -> Vec<u8> {
    let [build, caller, callee] = split(input);
    let build = Build::read(build);
    let mut elf = go::program(build);
    let (first, second) = (caller.len() as u64, callee.len() as u64);
    elf.load(".text", TEXT, EXECUTE, [caller, callee].concat());
    elf.symbols(&[
        ("runtime.text", OBJECT, TEXT, 0),
        ("main.caller", FUNCTION, TEXT, first),
        ("main.callee", FUNCTION, TEXT + first, second),
    ]);
    elf.build()
}
