//! Functions, probe sites and variables against `go tool nm`.

use std::collections::BTreeMap;

use symbols::{Function, FunctionSource, Provenance, Reason, SiteKind};

use crate::common::Symbol;
use crate::servers::{parse, servers, wanted};

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
                        Reason::Assembly
                            | Reason::Ambiguous { .. }
                            | Reason::TypeArguments
                            | Reason::NotFound
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
                other => panic!("{name}: {other} on amd64"),
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
