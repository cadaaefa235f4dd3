//! Files as a whole: sources, build information, what is refused.

use symbols::{Error, FunctionSource, GoBinary, LayoutSource, Machine, MapKind};

use crate::common::build;
use crate::servers::{parse, servers, wanted};

#[test]
fn sources_follow_what_the_linker_left() {
    let servers = servers();
    let dwarf = if parse(&servers.plain).go_version().at_least(25) {
        LayoutSource::Dwarf5
    } else {
        LayoutSource::Dwarf4
    };
    for (built, functions, layouts, pie) in [
        (&servers.plain, FunctionSource::Symtab, dwarf, false),
        (&servers.default, FunctionSource::Symtab, dwarf, false),
        (
            &servers.no_dwarf,
            FunctionSource::Symtab,
            LayoutSource::TypeDescriptors,
            false,
        ),
        (
            &servers.stripped,
            FunctionSource::Pclntab,
            LayoutSource::TypeDescriptors,
            false,
        ),
        (&servers.pie, FunctionSource::Symtab, dwarf, true),
        (
            &servers.pie_stripped,
            FunctionSource::Pclntab,
            LayoutSource::TypeDescriptors,
            true,
        ),
    ] {
        let binary = parse(built);
        let sources = binary.sources();
        let found = (sources.functions, sources.layouts, binary.is_pie());
        assert_eq!(found, (functions, layouts, pie), "{}", built.path.display());
        assert_eq!(binary.machine(), Machine::Amd64);
        let swiss = if binary.go_version().at_least(24) {
            MapKind::Swiss
        } else {
            MapKind::Classic
        };
        assert_eq!(binary.map_kind(), swiss, "{}", built.path.display());
    }
}

#[test]
fn every_program_has_a_build_id() {
    for built in [&servers().default, &servers().pie_stripped] {
        assert!(!parse(built).build_id().is_empty());
    }
}

/// A copy of the file that says it has no sections.
pub(crate) fn without_section_headers(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    // e_shoff, then e_shnum and e_shstrndx.
    data[0x28..0x30].fill(0);
    data[0x3c..0x40].fill(0);
    data
}

#[test]
fn nothing_needs_section_headers() {
    let servers = servers();
    for (built, symbols) in [
        (&servers.stripped, &servers.symbols),
        (&servers.pie_stripped, &servers.pie_symbols),
    ] {
        let data = without_section_headers(&built.data);
        let binary = GoBinary::parse(&data).unwrap();
        for name in wanted(&binary) {
            assert_eq!(
                binary.function(name).unwrap().address,
                symbols[name][0].address,
                "{name}"
            );
        }
        assert!(
            binary
                .layouts(&["net/http.response"])
                .has("net/http.response")
        );
        // Of the two build ids only Go's lies in a segment that says where it is.
        assert!(!binary.build_id().is_empty());
    }
}

#[test]
fn other_machines_are_refused_or_limited() {
    let arm = build("tiny", "tiny-arm64", &[], &[("GOARCH", "arm64")]);
    let binary = parse(&arm);
    assert_eq!(binary.machine(), Machine::Arm64);
    assert!(binary.layouts(&["runtime.g"]).has("runtime.g"));

    let data = &servers().stripped.data;
    let patched = |at: usize, value: u8| {
        let mut data = data.clone();
        data[at] = value;
        GoBinary::parse(&data).map(|_| ()).unwrap_err()
    };
    assert_eq!(patched(0, 0), Error::NotElf);
    assert_eq!(
        patched(4, 1),
        Error::UnsupportedFormat {
            class: 1,
            encoding: 1
        }
    );
    assert_eq!(
        patched(5, 2),
        Error::UnsupportedFormat {
            class: 2,
            encoding: 2
        }
    );
    assert_eq!(patched(16, 1), Error::NotExecutable { kind: 1 });
    assert_eq!(patched(18, 243), Error::UnsupportedMachine { machine: 243 });
}

#[test]
fn programs_in_other_languages_are_not_go() {
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_eq!(GoBinary::parse(&own).map(|_| ()), Err(Error::NotGo));
}
