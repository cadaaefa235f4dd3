//! Struct layouts against a direct reading of the debugging information.

use std::collections::BTreeMap;

use gimli::{AttributeValue, DebugAbbrev, DebugInfo, LittleEndian};
use object::{Object as _, ObjectSection as _};
use symbols::Provenance;

use crate::servers::{parse, servers};

/// Name to (name, offset) of all fields, read from uncompressed debugging information of Go units.
pub(crate) fn dwarf_truth(data: &[u8]) -> BTreeMap<String, Vec<(String, u32)>> {
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
