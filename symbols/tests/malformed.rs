//! Damaged files give values, never a panic, and cost bounded memory.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its own fixture must stop"
)]

mod common;
#[path = "common/memory.rs"]
mod memory;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::OnceLock;

use common::{Built, build};
use object::{Object as _, ObjectSection as _};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use symbols::{Function, GoBinary};

/// What one file of 2.5 MB may cost at its worst moment.
const MOST_BYTES: usize = 64 << 20;

/// The smallest Go program in three forms: with everything, with neither symbols nor DWARF, and relocated.
fn seeds() -> &'static [Built; 3] {
    static SEEDS: OnceLock<[Built; 3]> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let tiny = |name: &str, flags: &[&str]| build("tiny", name, flags, &[]);
        [
            tiny("tiny-default", &[]),
            tiny("tiny-stripped", &["-ldflags=-s -w"]),
            tiny("tiny-pie", &["-buildmode=pie", "-ldflags=-s -w"]),
        ]
    })
}

/// Asks a file everything; answers whether it was read as a Go binary.
fn exercise(data: &[u8]) -> bool {
    let (read, cost) = memory::peak(|| ask(data));
    assert!(cost < MOST_BYTES, "{cost} bytes at the peak");
    read
}

fn ask(data: &[u8]) -> bool {
    let Ok(binary) = GoBinary::parse(data) else {
        return false;
    };
    for name in ["runtime.newproc1", "os.(*File).Write", "runtime.memequal"] {
        if let Ok(function) = binary.function(name) {
            black_box(binary.probe_site(&function).is_ok());
            black_box(binary.function_at(function.address.wrapping_add(1)));
            black_box(binary.returns(&function).is_ok());
            black_box(binary.frames_at(function.address).is_ok());
        }
        black_box(binary.inlined_copies(name).is_ok());
    }
    black_box(binary.function_at(0x0040_1000));
    let layouts = binary.layouts(&["runtime.g", "runtime.m", "os.file", "runtime.mstats"]);
    black_box((
        layouts.field("runtime.g", "sched.pc").is_ok(),
        layouts.size("os.file").is_ok(),
    ));
    black_box((
        binary.variable("runtime.memstats").is_ok(),
        binary.map_kind(),
        binary.sources(),
        binary.build_id(),
    ));
    true
}

#[test]
fn the_undamaged_files_are_read() {
    for seed in seeds() {
        assert!(exercise(&seed.data), "{}", seed.path.display());
    }
}

#[test]
fn files_cut_at_any_length_are_harmless() {
    for seed in seeds() {
        let length = seed.data.len();
        // Every byte of the ELF header, then the whole file in uneven steps.
        for cut in (0..128).chain((128..length).step_by(length / 40 + 7)) {
            exercise(&seed.data[..cut]);
        }
    }
}

#[test]
fn sections_of_zeros_and_ones_are_harmless() {
    for seed in seeds() {
        let file = object::File::parse(seed.data.as_slice()).unwrap();
        for section in file.sections() {
            let Some((start, size)) = section.file_range() else {
                continue;
            };
            let range = usize::try_from(start).unwrap()..usize::try_from(start + size).unwrap();
            for fill in [0x00, 0xff] {
                let mut data = seed.data.clone();
                data[range.clone()].fill(fill);
                exercise(&data);
            }
        }
    }
}

/// What all questions about one file of 2.5 MB may take: each reads the tables at most a few times.
const MOST_STEPS: u64 = 1 << 20;

/// Asks for the lines, returns, calls and copies of many functions; answers the kinds of answers.
fn ask_code(data: &[u8], functions: &[Function]) -> BTreeSet<&'static str> {
    let mut seen = BTreeSet::new();
    let Ok(binary) = GoBinary::parse(data) else {
        return seen;
    };
    for pair in functions.windows(2) {
        let [function, next] = pair else { continue };
        let middle = function.address + function.size / 2;
        let answers = [
            binary.frames_at(function.address).map(|_| ()),
            binary.frames_at(middle).map(|_| ()),
            binary.returns(function).map(|_| ()),
            binary.after_calls(function, next, 9).map(|_| ()),
            binary.inlined_copies(&function.name).map(|_| ()),
            binary.function(&function.name).map(|_| ()),
        ];
        let kinds = answers.map(|answer| answer.map_or_else(|error| error.error_type(), |()| "ok"));
        seen.extend(kinds);
    }
    black_box(binary.inlined_into("main.main").is_ok());
    let spent = binary.spent();
    assert!(spent.steps < MOST_STEPS, "{spent:?}");
    seen
}

/// Holes of every size, from one record or table to the whole function table and what it points to.
#[test]
fn torn_function_tables_and_inline_trees_are_harmless() {
    let mut seen = BTreeSet::new();
    for seed in seeds() {
        let known = GoBinary::parse(&seed.data).unwrap();
        let functions = known.functions_where(|_| true).unwrap();
        let functions: Vec<_> = functions.into_iter().step_by(41).collect();
        for (start, end) in function_data(&seed.data) {
            for parts in [1, 16] {
                for part in 0..parts {
                    let from = start + (end - start) / parts * part;
                    let to = (from + (end - start) / parts).min(end);
                    for fill in [0x00, 0xff] {
                        let mut data = seed.data.clone();
                        data[from..to].fill(fill);
                        let (kinds, cost) = memory::peak(|| ask_code(&data, &functions));
                        assert!(cost < MOST_BYTES, "{cost} bytes at the peak");
                        seen.extend(kinds);
                    }
                }
            }
        }
    }
    for expected in ["ok", "malformed", "not_found"] {
        assert!(seen.contains(expected), "{expected} in {seen:?}");
    }
}

/// Where the file keeps the function table, and the read-only data with inline trees in it.
fn function_data(data: &[u8]) -> Vec<(usize, usize)> {
    let file = object::File::parse(data).unwrap();
    let ranges = file.sections().filter_map(|section| {
        let name = section.name().ok()?;
        let kept = [".gopclntab", ".rodata", ".go.func"]
            .iter()
            .any(|kept| name.ends_with(kept));
        let (start, size) = section.file_range().filter(|_| kept)?;
        let start = usize::try_from(start).unwrap();
        Some((start, start + usize::try_from(size).unwrap()))
    });
    let ranges: Vec<_> = ranges.collect();
    assert!(ranges.len() >= 2, "{ranges:?}");
    ranges
}

/// The places where counts, sizes, offsets and addresses are kept: headers, and the heads of the tables.
fn numbers(data: &[u8]) -> Vec<usize> {
    let file = object::File::parse(data).unwrap();
    let word = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().unwrap());
    let count = |at: usize| usize::from(u16::from_le_bytes(data[at..at + 2].try_into().unwrap()));
    let (segments, sections) = (
        usize::try_from(word(0x20)).unwrap(),
        usize::try_from(word(0x28)).unwrap(),
    );
    let mut places: Vec<usize> = (0x10..0x40).step_by(4).collect();
    places.extend((segments..segments + count(0x38) * 56).step_by(8));
    places.extend((sections + 64..sections + count(0x3c) * 64).step_by(8));
    let heads = [
        (".gopclntab", 128),
        (".go.buildinfo", 64),
        (".go.module", 400),
        (".debug_info", 64),
        (".debug_abbrev", 64),
        (".symtab", 72),
        (".rela.dyn", 72),
        (".dynamic", 128),
        (".typelink", 32),
        (".itablink", 32),
    ];
    for (suffix, length) in heads {
        let named = |name: &str| name.strip_prefix(".data.rel.ro").unwrap_or(name) == suffix;
        let section = file
            .sections()
            .find(|section| section.name().is_ok_and(named));
        if let Some((start, size)) = section.and_then(|section| section.file_range()) {
            let start = usize::try_from(start).unwrap();
            places.extend((start..start + length.min(usize::try_from(size).unwrap())).step_by(8));
        }
    }
    places
}

#[test]
fn huge_counts_are_harmless() {
    for seed in seeds() {
        for at in numbers(&seed.data) {
            for value in [u64::MAX, 0x00ff_ffff] {
                let mut data = seed.data.clone();
                let end = data.len().min(at + 8);
                data[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
                exercise(&data);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_are_harmless(
        seed in 0_usize..3,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..400),
    ) {
        let mut data = seeds()[seed].data.clone();
        for (place, value) in flips {
            let at = place.index(data.len());
            data[at] = value;
        }
        exercise(&data);
    }

    #[test]
    fn flipped_numbers_are_harmless(
        seed in 0_usize..3,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>(), 0_u32..64), 1..4),
    ) {
        let mut data = seeds()[seed].data.clone();
        let places = numbers(&data);
        for (place, value, shift) in flips {
            let at = *place.get(&places);
            let end = data.len().min(at + 8);
            data[at..end].copy_from_slice(&(value >> shift).to_le_bytes()[..end - at]);
        }
        exercise(&data);
    }

    #[test]
    fn noise_is_no_binary(mut data in prop::collection::vec(any::<u8>(), 0..4096), magic: bool) {
        if magic {
            for (byte, header) in data.iter_mut().zip(&seeds()[0].data[..20]) {
                *byte = *header;
            }
        }
        assert!(!exercise(&data));
    }
}
