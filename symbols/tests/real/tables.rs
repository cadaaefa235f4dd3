//! Reference tables against symbol tables and debugging information of programs they were not made from.

use symbols::{GoBinary, Provenance, reference};

use crate::common::{Built, build, nm, structs};
use crate::servers::{parse, servers};

/// What the runtime reader and the GC probe cannot do without.
const NEEDED: [&str; 9] = [
    "runtime.memstats",
    "runtime.gcController",
    "runtime.gomaxprocs",
    "runtime.allglen",
    "runtime.allp",
    "runtime.sched",
    "runtime.work",
    "runtime.mheap_",
    "runtime.gcphase",
];

/// The same file without section headers, and so without a symbol table; all addresses stay.
fn without_sections(built: &Built) -> Vec<u8> {
    let mut data = built.data.clone();
    // e_shoff, then e_shnum and e_shstrndx.
    data[0x28..0x30].fill(0);
    data[0x3c..0x40].fill(0);
    data
}

/// Compares all variables with the symbol table; answers how many are known.
fn compare_variables(built: &Built) -> usize {
    let symbols = nm(&built.path);
    let data = without_sections(built);
    let binary = GoBinary::parse(&data).unwrap();
    let mut known = 0;
    for &name in reference::VARIABLES {
        let Ok(found) = binary.variable(name) else {
            continue;
        };
        let truth = symbols[name][0];
        let place = found.value;
        assert_eq!(
            place.address,
            truth.address,
            "{name} in {}",
            built.path.display()
        );
        assert!(
            [0, truth.size].contains(&place.size),
            "{name}: {place:?}, not {truth:?}"
        );
        assert!(
            matches!(found.provenance, Provenance::CodeSignature { votes: 2.. }),
            "{found:?}"
        );
        known += 1;
    }
    known
}

#[test]
fn variables_of_stripped_binaries_are_those_of_the_symbol_table() {
    let servers = servers();
    let v3 = build("server", "tables-v3", &[], &[("GOAMD64", "v3")]);
    let arm = build("server", "tables-arm64", &[], &[("GOARCH", "arm64")]);
    let trimmed = build("tiny", "tables-tiny", &["-trimpath"], &[]);
    let arm_pie = build(
        "tiny",
        "tables-arm64-pie",
        &["-buildmode=pie"],
        &[("GOARCH", "arm64")],
    );
    for built in [
        &servers.default,
        &servers.pie,
        &v3,
        &arm,
        &trimmed,
        &arm_pie,
    ] {
        let known = compare_variables(built);
        let data = without_sections(built);
        let binary = GoBinary::parse(&data).unwrap();
        for name in NEEDED {
            let found = binary.variable(name);
            assert!(found.is_ok(), "{found:?} in {}", built.path.display());
        }
        assert!(known >= 18, "{known} variables in {}", built.path.display());
    }
}

#[test]
fn code_that_no_reference_build_has_names_no_wrong_place() {
    let plain = build("server", "tables-noopt", &["-gcflags=all=-N -l"], &[]);
    let known = compare_variables(&plain);
    let data = without_sections(&plain);
    let binary = GoBinary::parse(&data).unwrap();
    let unknown = reference::VARIABLES
        .iter()
        .filter(|name| binary.variable(name).is_err());
    assert_eq!(unknown.count() + known, reference::VARIABLES.len());
}

#[test]
fn tables_say_what_the_debugging_information_says() {
    compare_tables(&servers().plain);
}

#[test]
fn tables_say_what_type_descriptors_say() {
    let servers = servers();
    let fields = structs(&servers.plain);
    for built in [&servers.stripped, &servers.pie_stripped] {
        let binary = parse(built);
        let table = binary.reference_layouts(reference::STRUCTS);
        let read = binary.layouts(reference::STRUCTS);
        let mut compared = 0;
        for &name in reference::STRUCTS {
            let told = |size: &symbols::Fact<u32>| size.provenance == Provenance::TypeDescriptors;
            let Some(size) = read.size(name).ok().filter(told) else {
                continue;
            };
            assert_eq!(table.size(name).unwrap().value, size.value, "{name}");
            for (field, _) in fields[name].fields.iter().filter(|(field, _)| field != "_") {
                let (known, told) = (table.field(name, field), read.field(name, field));
                assert_eq!(known.unwrap().value, told.unwrap().value, "{name}.{field}");
            }
            compared += 1;
        }
        assert!(compared >= 8, "{compared} structs in {}", built.path());
    }
}

/// Of the experiments that change nothing in the runtime, those that the installed release knows.
#[test]
fn tables_hold_for_experiments_that_concern_other_things() {
    let binary = parse(&servers().plain);
    let experiments = [(25, "nodwarf5"), (25, "jsonv2"), (19, "boringcrypto")];
    for (since, experiment) in experiments {
        if binary.go_version().at_least(since) {
            let name = format!("tables-{experiment}");
            let environment = [("GOEXPERIMENT", experiment)];
            compare_tables(&build("server", &name, &[], &environment));
        }
    }
}

/// Compares the tables' rows of a binary's release with the binary's debugging information.
fn compare_tables(built: &Built) {
    let mut truth = structs(built);
    let binary = parse(built);
    let table = binary.reference_layouts(reference::STRUCTS);
    let full = binary.layouts(reference::STRUCTS);
    let (mut structs, mut fields) = (0, 0);
    for &name in reference::STRUCTS {
        // Up to go1.18 it has no name there.
        if name == "runtime.workType" && !binary.go_version().at_least(19) {
            assert!(table.field(name, "tMark").is_ok());
            continue;
        }
        let Some(expected) = truth.remove(name) else {
            assert!(!table.has(name), "{name}");
            continue;
        };
        assert_eq!(
            table.size(name).unwrap().value,
            full.size(name).unwrap().value,
            "{name}"
        );
        for (field, offset) in expected.fields.iter().filter(|(field, _)| field != "_") {
            let fact = table
                .field(name, field)
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                (fact.value, fact.provenance),
                (wrapped(&full, name, field), Provenance::Table)
            );
            assert!(fact.value >= *offset, "{name}.{field}");
            fields += 1;
        }
        structs += 1;
    }
    assert!(
        structs >= 15 && fields > 300,
        "{structs} structs, {fields} fields"
    );
}

/// The debugging information's offset of a field, with the way into wrappers such as `atomic.Uint64`.
fn wrapped(layouts: &symbols::Layouts, name: &str, field: &str) -> u32 {
    layouts.field(name, field).unwrap().value
}
