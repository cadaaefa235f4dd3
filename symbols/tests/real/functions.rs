//! Functions, probe sites and variables against `go tool nm`.

use symbols::{Provenance, Reason, SiteKind};

use crate::servers::{parse, servers, wanted};

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
fn what_a_binary_cannot_tell_has_a_reason() {
    let servers = servers();
    let (full, stripped) = (parse(&servers.default), parse(&servers.stripped));
    for name in ["runtime.memstats", "runtime.work", "runtime.gcphase"] {
        let truth = servers.symbols[name][0];
        let found = full.variable(name).unwrap();
        assert_eq!(
            (found.value.address, found.value.size),
            (truth.address, truth.size),
            "{name}"
        );
        assert_eq!(found.provenance, Provenance::Symtab);
    }
    assert_eq!(
        stripped.variable("main.none").unwrap_err().reason,
        Reason::NoSymbolTable
    );
    assert_eq!(
        full.variable("main.none").unwrap_err().reason,
        Reason::NotFound
    );
    // Layouts of other packages' variables are in no table.
    assert_eq!(
        stripped.layouts(&["main.none"]).size("main.none"),
        Err(symbols::Unresolved {
            what: "main.none".to_owned(),
            reason: Reason::NoDescriptor
        })
    );
    assert_eq!(
        full.layouts(&["runtime.p"])
            .field("runtime.g", "goid")
            .unwrap_err()
            .reason,
        Reason::NotRequested
    );
    for binary in [&full, &stripped] {
        assert_eq!(
            binary.function("no.such").unwrap_err().reason,
            Reason::NotFound
        );
    }
    assert_eq!(
        full.function("runtime.memstats").unwrap_err().reason,
        Reason::NotFound
    );
}
