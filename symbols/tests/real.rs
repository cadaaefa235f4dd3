//! Facts of real binaries against what the Go toolchain says of them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its own fixture must stop"
)]

mod common;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use common::{Built, Symbol, build, nm, version_m};
use gimli::{AttributeValue, DebugAbbrev, DebugInfo, LittleEndian};
use object::{Object as _, ObjectSection as _};
use symbols::{
    Error, Function, FunctionSource, GoBinary, LayoutSource, Machine, MapKind, Provenance, Reason,
    SiteKind,
};

const WANTED: &[&str] = &[
    "net/http.serverHandler.ServeHTTP",
    "net/http.(*response).finishRequest",
    "net/http.(*conn).serve",
    "runtime.startTheWorldWithSema",
    "runtime.stopTheWorldWithSema",
    "runtime.newproc1",
    "runtime.gopark",
    "os.(*File).Write",
    "internal/poll.(*FD).Read",
    "internal/poll.(*FD).Write",
];

/// What golens attaches to; `log/slog` came with go1.21.
fn wanted(binary: &GoBinary<'_>) -> impl Iterator<Item = &'static str> {
    let logger = binary
        .go_version()
        .at_least(21)
        .then_some("log/slog.(*Logger).log");
    WANTED.iter().copied().chain(logger)
}

/// The fixture server in the ways people build it.
struct Servers {
    /// Debugging information left uncompressed, so that the tests can read it by themselves.
    plain: Built,
    default: Built,
    no_dwarf: Built,
    stripped: Built,
    pie: Built,
    pie_stripped: Built,
    symbols: BTreeMap<String, Vec<Symbol>>,
    pie_symbols: BTreeMap<String, Vec<Symbol>>,
}

fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let server = |name: &str, flags: &[&str]| build("server", name, flags, &[]);
        let plain = server("plain", &["-ldflags=-compressdwarf=false"]);
        let pie = server("pie", &["-buildmode=pie"]);
        let default = server("default", &[]);
        Servers {
            no_dwarf: server("no-dwarf", &["-ldflags=-w"]),
            stripped: server("stripped", &["-ldflags=-s -w"]),
            pie_stripped: server("pie-stripped", &["-buildmode=pie", "-ldflags=-s -w"]),
            symbols: nm(&default.path),
            pie_symbols: nm(&pie.path),
            default,
            plain,
            pie,
        }
    })
}

fn parse(built: &Built) -> GoBinary<'_> {
    GoBinary::parse(&built.data).unwrap_or_else(|error| panic!("{}: {error}", built.path.display()))
}

/// The functions of a symbol table that have one address and follow the register convention; the
/// linker's own markers (`go:textfipsend`) have no body.
fn register_functions(
    symbols: &BTreeMap<String, Vec<Symbol>>,
) -> impl Iterator<Item = (&str, Symbol)> {
    symbols
        .iter()
        .filter_map(|(name, found)| match found.as_slice() {
            [symbol]
                if symbol.size > 0
                    && matches!(symbol.kind, 'T' | 't')
                    && !name.ends_with(".abi0")
                    && !name.starts_with("go:") =>
            {
                Some((name.as_str(), *symbol))
            }
            _ => None,
        })
}

fn place(function: &Function) -> (u64, u64) {
    (function.address, function.size)
}

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
fn build_information_is_what_go_version_prints() {
    for built in [&servers().default, &servers().pie_stripped] {
        let binary = parse(built);
        let (version, lines) = version_m(&built.path);
        assert_eq!(binary.go_version().to_string(), version);
        let info = binary.build_info();
        let main = info.main.as_ref().expect("the fixture is a module");
        let mut printed = vec![
            vec!["path".to_owned(), info.path.clone()],
            vec![
                "mod".to_owned(),
                main.path.clone(),
                main.version.clone(),
                String::new(),
            ],
        ];
        printed.extend(info.settings.iter().map(|(key, value)| {
            let value = if value.contains(' ') {
                format!("{value:?}")
            } else {
                value.clone()
            };
            vec!["build".to_owned(), format!("{key}={value}")]
        }));
        assert_eq!(printed, lines);
        assert!(!binary.build_id().is_empty());
    }
}

#[test]
fn every_function_is_where_the_symbol_table_says() {
    let servers = servers();
    for (built, symbols) in [
        (&servers.default, &servers.symbols),
        (&servers.stripped, &servers.symbols),
        (&servers.pie, &servers.pie_symbols),
        (&servers.pie_stripped, &servers.pie_symbols),
    ] {
        let binary = parse(built);
        let table = binary.sources().functions;
        let (mut right, mut unknown) = (0, 0);
        for (name, truth) in register_functions(symbols) {
            match binary.function(name) {
                Ok(found) => {
                    assert_eq!(
                        place(&found),
                        (truth.address, truth.size),
                        "{name} in {}",
                        built.path.display()
                    );
                    right += 1;
                }
                Err(unresolved) => {
                    // Only what the function table cannot tell may stay unknown.
                    let why = unresolved.reason;
                    let allowed = matches!(
                        why,
                        Reason::Assembly | Reason::Ambiguous { .. } | Reason::NotFound
                    );
                    assert!(
                        table == FunctionSource::Pclntab && allowed,
                        "{name} in {}: {why}",
                        built.path.display()
                    );
                    unknown += 1;
                }
            }
        }
        assert!(
            right > 4000,
            "{right} functions in {}",
            built.path.display()
        );
        assert!(
            unknown * 10 < right,
            "{unknown} of {right} functions unknown in {}",
            built.path.display()
        );
        for name in wanted(&binary) {
            assert!(
                binary.function(name).is_ok(),
                "{name} in {}",
                built.path.display()
            );
        }
    }
}

#[test]
fn an_address_leads_back_to_its_function() {
    let servers = servers();
    for (built, symbols) in [
        (&servers.default, &servers.symbols),
        (&servers.pie_stripped, &servers.pie_symbols),
    ] {
        let binary = parse(built);
        for name in wanted(&binary) {
            let truth = symbols[name][0];
            for address in [
                truth.address,
                truth.address + truth.size / 2,
                truth.address + truth.size - 1,
            ] {
                let found = binary
                    .function_at(address)
                    .unwrap_or_else(|| panic!("{address:#x} is in {name}"));
                assert_eq!((found.name.as_str(), found.address), (name, truth.address));
            }
            assert_ne!(
                binary
                    .function_at(truth.address + truth.size)
                    .map(|next| next.name)
                    .as_deref(),
                Some(name)
            );
        }
        assert_eq!(binary.function_at(0), None);
        assert_eq!(binary.function_at(u64::MAX), None);
    }
}

#[test]
fn wrappers_for_assembly_are_never_taken_for_the_body() {
    let servers = servers();
    let binary = parse(&servers.stripped);
    let mut pairs = 0;
    for (name, wrapper) in &servers.symbols {
        let Some(base) = name.strip_suffix(".abi0") else {
            continue;
        };
        let wrapper = wrapper[0].address;
        match (
            servers.symbols.get(base).map(Vec::as_slice),
            binary.function(base),
        ) {
            (Some([body]), Ok(found)) => {
                assert_eq!(found.address, body.address, "{base}");
                assert_ne!(found.address, wrapper, "{base}");
                pairs += 1;
            }
            (_, Ok(found)) => panic!("{base} was resolved to {:#x}", found.address),
            (_, Err(_)) => {}
        }
    }
    assert!(pairs > 10, "{pairs} names with both conventions");
}

#[test]
fn probe_sites_lie_on_cheap_instructions() {
    let servers = servers();
    for built in [&servers.default, &servers.stripped, &servers.pie_stripped] {
        let binary = parse(built);
        for name in wanted(&binary) {
            let function = binary.function(name).unwrap();
            let site = binary.probe_site(&function).unwrap();
            assert_eq!(binary.file_offset(site.address), Some(site.file_offset));
            let code = &built.data[usize::try_from(site.file_offset).unwrap()..];
            match site.kind {
                SiteKind::PushRbp => {
                    assert_eq!((code[0], site.instruction.as_str()), (0x55, "push %rbp"))
                }
                SiteKind::Jbe => {
                    assert!(
                        code[0] == 0x76 || code[..2] == [0x0f, 0x86],
                        "{name}: {code:x?}",
                        code = &code[..2]
                    );
                    assert!(
                        site.instruction.starts_with("jbe 0x"),
                        "{}",
                        site.instruction
                    );
                }
            }
            assert!(site.address - function.address < 64, "{name}");
        }
        // An assembly function without a frame has no place for a cheap probe.
        if let Ok(function) = binary.function("runtime.memequal") {
            assert_eq!(
                binary.probe_site(&function).unwrap_err().reason,
                Reason::NoCheapInstruction
            );
        }
    }
}

/// Name to (name, offset) of all fields, read from uncompressed debugging information of Go units.
fn dwarf_truth(data: &[u8]) -> BTreeMap<String, Vec<(String, u32)>> {
    let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(data).unwrap();
    let section = |name: &str| {
        file.section_by_name(name)
            .expect("not stripped")
            .data()
            .unwrap()
    };
    let info = DebugInfo::new(section(".debug_info"), LittleEndian);
    let abbrev = DebugAbbrev::new(section(".debug_abbrev"), LittleEndian);
    let mut structs = BTreeMap::<String, Vec<(String, u32)>>::new();
    let mut units = info.units();
    while let Some(unit) = units.next().unwrap() {
        let abbreviations = unit.abbreviations(&abbrev).unwrap();
        let mut entries = unit.entries(&abbreviations);
        let mut current = None;
        while let Some(entry) = entries.next_dfs().unwrap() {
            let name = match entry.attr_value(gimli::DW_AT_name) {
                Some(AttributeValue::String(name)) => String::from_utf8(name.slice().to_vec()).ok(),
                _ => None,
            };
            match (entry.tag(), name) {
                (gimli::DW_TAG_structure_type, Some(name)) => {
                    structs.insert(name.clone(), Vec::new());
                    current = Some(name);
                }
                (gimli::DW_TAG_member, Some(name)) => {
                    let offset = entry
                        .attr(gimli::DW_AT_data_member_location)
                        .and_then(|at| at.udata_value());
                    let fields = current
                        .as_ref()
                        .and_then(|current| structs.get_mut(current));
                    if let (Some(offset), Some(fields)) = (offset, fields) {
                        fields.push((name, u32::try_from(offset).unwrap()));
                    }
                }
                (gimli::DW_TAG_subprogram, _) => current = None,
                _ => {}
            }
        }
    }
    structs
}

#[test]
fn layouts_are_those_of_the_debugging_information_in_every_build() {
    let servers = servers();
    let truth = dwarf_truth(&servers.plain.data);
    let names: Vec<&str> = truth.keys().map(String::as_str).collect();
    assert!(names.len() > 1000, "{} structs", names.len());
    for (built, at_least) in [
        (&servers.plain, 1000),
        (&servers.default, 1000),
        (&servers.pie, 1000),
        (&servers.no_dwarf, 400),
        (&servers.stripped, 400),
        (&servers.pie_stripped, 400),
    ] {
        let layouts = parse(built).layouts(&names);
        let (mut structs, mut fields) = (0, 0);
        for (name, expected) in &truth {
            if !layouts.has(name) {
                continue;
            }
            structs += 1;
            for (field, offset) in expected
                .iter()
                .filter(|(field, _)| field != "_" && !field.contains('.'))
            {
                let fact = layouts
                    .field(name, field)
                    .unwrap_or_else(|error| panic!("{}: {error}", built.path.display()));
                assert_eq!(
                    fact.value,
                    *offset,
                    "{name}.{field} in {}",
                    built.path.display()
                );
                fields += 1;
            }
        }
        assert!(
            structs > at_least && fields > structs,
            "{structs} structs, {fields} fields in {}",
            built.path.display()
        );
    }
}

#[test]
fn the_fields_golens_reads_are_known_in_stripped_binaries() {
    let servers = servers();
    let wanted: &[(&str, &[&str])] = &[
        (
            "runtime.g",
            &["goid", "m", "sched.pc", "atomicstatus", "waitreason"],
        ),
        ("runtime.m", &["curg", "g0", "p"]),
        ("runtime.p", &["runqhead", "runqtail", "runnext"]),
        (
            "net/http.Request",
            &[
                "Method",
                "ProtoMajor",
                "Header",
                "Host",
                "RemoteAddr",
                "RequestURI",
                "URL",
            ],
        ),
        ("net/http.response", &["req", "status", "written"]),
        ("os.File", &["file"]),
        ("os.file", &["pfd.Sysfd"]),
        ("internal/poll.FD", &["Sysfd"]),
    ];
    let names: Vec<&str> = wanted.iter().map(|&(name, _)| name).collect();
    let reference = parse(&servers.default).layouts(&names);
    for built in [&servers.stripped, &servers.pie_stripped] {
        let layouts = parse(built).layouts(&names);
        for &(name, fields) in wanted {
            assert_eq!(
                layouts.size(name).unwrap().value,
                reference.size(name).unwrap().value,
                "{name}"
            );
            for field in fields {
                let fact = layouts.field(name, field).unwrap();
                assert_eq!(
                    fact.value,
                    reference.field(name, field).unwrap().value,
                    "{name}.{field}"
                );
                assert_eq!(fact.provenance, Provenance::TypeDescriptors);
            }
        }
    }
}

#[test]
fn what_a_stripped_binary_cannot_tell_has_a_reason() {
    let servers = servers();
    let (full, stripped) = (parse(&servers.default), parse(&servers.stripped));
    for name in [
        "runtime.memstats",
        "runtime.work",
        "runtime.sched",
        "runtime.allglen",
        "runtime.allp",
        "runtime.gcphase",
    ] {
        let truth = servers.symbols[name][0];
        let found = full.variable(name).unwrap();
        assert_eq!(
            (found.value.address, found.value.size),
            (truth.address, truth.size),
            "{name}"
        );
        assert_eq!(found.provenance, Provenance::Symtab);
        assert_eq!(
            stripped.variable(name).unwrap_err().reason,
            Reason::NoSymbolTable
        );
    }
    // Up to go1.18 the type of `runtime.work` has no name.
    let work = full.go_version().at_least(19).then_some("runtime.workType");
    let structs = [
        "runtime.schedt",
        "runtime.mstats",
        "runtime.gcControllerState",
    ];
    let structs: Vec<&str> = structs.into_iter().chain(work).collect();
    let (known, unknown) = (full.layouts(&structs), stripped.layouts(&structs));
    for name in structs {
        assert!(known.has(name), "{name}");
        assert_eq!(
            unknown.size(name).unwrap_err().reason,
            Reason::NoDescriptor,
            "{name}"
        );
    }
    assert_eq!(
        known.field("runtime.g", "goid").unwrap_err().reason,
        Reason::NotRequested
    );
    assert_eq!(
        full.function("no.such").unwrap_err().reason,
        Reason::NotFound
    );
    assert_eq!(
        stripped.function("no.such").unwrap_err().reason,
        Reason::NotFound
    );
    assert_eq!(
        full.function("runtime.memstats").unwrap_err().reason,
        Reason::NotFound
    );
}

#[test]
fn nothing_needs_section_headers() {
    let servers = servers();
    for (built, symbols) in [
        (&servers.stripped, &servers.symbols),
        (&servers.pie_stripped, &servers.pie_symbols),
    ] {
        let mut data = built.data.clone();
        // e_shoff, then e_shnum and e_shstrndx.
        data[0x28..0x30].fill(0);
        data[0x3c..0x40].fill(0);
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
    let function = binary.function("os.(*File).Write").unwrap();
    assert_eq!(
        binary.probe_site(&function).unwrap_err().reason,
        Reason::UnsupportedMachine
    );
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
