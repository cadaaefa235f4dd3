//! Files made to cost a multiple of their size are refused, or cost a small multiple.

#[path = "../fuzz/src/lib.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a library of its own, of which this test uses the writer of files"
)]
mod fuzz;

use fuzz::elf::{EXECUTE, Elf, FUNCTION, OBJECT, WRITE};
use fuzz::go::{self, Build, Module, TEXT};
use symbols::{Error, FunctionSource, GoBinary};

/// Bytes of the part that makes a file large.
const LARGE: usize = 1 << 20;
const FAR: u64 = 0x1000_0000;

fn program() -> Elf {
    go::program(Build::read(&Build::bytes(22, 0)))
}

#[test]
fn bytes_that_are_mapped_again_and_again_are_not_searched() {
    let mut elf = program();
    for number in 0..8 {
        elf.load("", FAR + (number << 24), WRITE, vec![1; LARGE]);
    }
    let mut file = elf.build();
    assert!(GoBinary::parse(&file).is_ok());
    // All large segments now take the bytes of the first; headers begin at 64 and have 56 bytes each.
    let first = file[64 + 3 * 56 + 8..64 + 3 * 56 + 16].to_vec();
    let _cut = file.split_off(file.len() - 7 * LARGE);
    for header in file[64..].chunks_exact_mut(56).take(15) {
        if header[16..24] >= FAR.to_le_bytes()[..] && header[32..40] == (LARGE as u64).to_le_bytes()
        {
            header[8..16].copy_from_slice(&first);
        }
    }
    let refused = GoBinary::parse(&file).unwrap_err();
    assert!(matches!(refused, Error::Limit { .. }), "{refused}");
}

#[test]
fn names_that_lie_in_each_other_make_no_symbol_table() {
    let with_names = |name: &str| {
        let mut elf = program();
        elf.load(".text", TEXT, EXECUTE, [0xc3; 64]);
        let names: Vec<String> = (0..2000).map(|number| format!("{name}{number}")).collect();
        let mut symbols = vec![("runtime.text", OBJECT, TEXT, 0)];
        symbols.extend(names.iter().map(|name| (name.as_str(), FUNCTION, TEXT, 16)));
        elf.symbols(&symbols);
        elf.build()
    };
    let honest = with_names(&"f".repeat(200));
    let sources = GoBinary::parse(&honest).unwrap().sources();
    assert_eq!(sources.functions, FunctionSource::Symtab);

    // The same symbols, each with all names behind its own as its name.
    let mut shared = honest;
    let text = b"\0runtime.text\0";
    let at = shared
        .windows(text.len())
        .position(|bytes| bytes == text)
        .unwrap();
    let names = shared[at + text.len()..].iter_mut().take(2000 * 200);
    names
        .filter(|byte| **byte == 0)
        .for_each(|byte| *byte = b'f');
    let sources = GoBinary::parse(&shared).unwrap().sources();
    assert_eq!(sources.functions, FunctionSource::Pclntab);
}

#[test]
fn functions_that_overlap_make_no_function_table() {
    let functions = |entries: [u32; 3]| {
        let build = Build::read(&Build::bytes(22, 0));
        let mut elf = go::program(build);
        let mut table = vec![0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
        // Names at 72, then nothing but rows and one record for both functions.
        for word in [2, 0, TEXT, 72, 72, 72, 72, 80] {
            table.extend(u64::to_le_bytes(word));
        }
        table.extend(b"main.f\0\0");
        for entry in entries {
            table.extend(entry.to_le_bytes());
            table.extend(24_u32.to_le_bytes());
        }
        table.resize(table.len() + 64, 0);
        go::add_functions(&mut elf, &[0xc3; 64], &table, &[]);
        go::add_module(
            &mut elf,
            build,
            &Module {
                text: 64,
                ..Module::default()
            },
        );
        elf.build()
    };
    let ordered = functions([0, 16, 32]);
    let listed = GoBinary::parse(&ordered).unwrap().functions_where(|_| true);
    assert_eq!(listed.unwrap().len(), 2);
    let overlapping = functions([16, 0, 32]);
    let binary = GoBinary::parse(&overlapping).unwrap();
    let refused = binary.functions_where(|_| true).unwrap_err();
    assert_eq!(refused.error_type(), "malformed");
}

#[test]
fn attributes_without_bytes_end_a_pass() {
    let mut elf = program();
    // A unit of Go, and a variable of 10,000 flags that are always set.
    let mut abbrev = vec![1, 0x11, 1, 0x13, 0x05, 0, 0, 2, 0x34, 0];
    abbrev.extend([0x3f, 0x19].repeat(10_000));
    abbrev.extend([0, 0, 0]);
    let mut unit = vec![4, 0, 0, 0, 0, 0, 8, 1, 22, 0];
    unit.extend(vec![2; LARGE]);
    let info = [&(unit.len() as u32).to_le_bytes()[..], &unit].concat();
    elf.keep(".debug_abbrev", 0, abbrev);
    elf.keep(".debug_info", 0, info);
    let file = elf.build();
    let binary = GoBinary::parse(&file).unwrap();
    assert!(!binary.layouts(&["runtime.g"]).has("runtime.g"));
    let spent = binary.spent();
    assert!(spent.steps < 8 * LARGE as u64, "{spent:?}");
}
