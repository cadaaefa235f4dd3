//! The arm64 decoder against the Go toolchain's disassembler, word by word over whole programs.

use std::collections::BTreeMap;

use symbols::{Function, GoBinary, Machine, Provenance, SiteKind};

use crate::common::{Disassembled, build, objdump, say};
use crate::servers::parse;

/// What the kernel simulates, with a target or without.
const BRANCHES: [&str; 7] = ["b", "bl", "cbz", "cbnz", "tbz", "tbnz", "ret"];

#[test]
fn every_branch_of_an_arm64_program_is_what_objdump_prints() {
    let environment = [("GOARCH", "arm64")];
    for (name, flags) in [
        ("server-arm64-decoder", &[][..]),
        ("server-arm64-decoder-pie", &["-buildmode=pie"]),
    ] {
        let built = build("server", name, flags, &environment);
        if !parse(&built).go_version().at_least(18) {
            // Arguments are on the stack there, and no function has a site.
            let main = parse(&built).function("main.main").unwrap();
            let refused = parse(&built).probe_site(&main).unwrap_err();
            assert_eq!(refused.error_type(), "unsupported_version");
            continue;
        }
        let lines = objdump(&built.path, ".", &["-gnu"]);
        let mut compared = BTreeMap::<String, u32>::new();
        // A binary answers for a limited time.
        for lines in lines.chunks(50_000) {
            let binary = parse(&built);
            assert_eq!(binary.machine(), Machine::Arm64);
            for line in lines {
                // Data between functions, and what Go's disassembler does not know.
                let Some(text) = line.gnu() else { continue };
                compare(&binary, line, text);
                let kind = text.split_whitespace().next().unwrap();
                *compared.entry(kind.to_owned()).or_default() += 1;
            }
        }
        let branches = compared.iter().filter(|(kind, _)| is_branch(kind));
        let branches: Vec<_> = branches.collect();
        assert!(compared.values().sum::<u32>() > 300_000);
        assert!(branches.len() >= 19, "{branches:?}");
        say(format_args!("{name}: {branches:?}"));
    }
}

fn is_branch(kind: &str) -> bool {
    BRANCHES.contains(&kind) || kind.starts_with("b.")
}

/// Asks for the site of a function of this one word: that is the word itself if it is simulated.
fn compare(binary: &GoBinary<'_>, line: &Disassembled, text: &str) {
    let function = Function {
        name: text.to_owned(),
        address: line.address,
        size: 4,
        provenance: Provenance::Symtab,
    };
    let kind = text.split_whitespace().next().unwrap();
    let returns = binary.returns(&function).unwrap();
    assert_eq!(!returns.is_empty(), kind == "ret", "{line:?}");
    let found = binary.probe_site(&function);
    if is_branch(kind) || kind == "blr" || kind.starts_with("adr") {
        let expected = with_address(line.address, text);
        if expected.ends_with(&format!(" {:#x}", line.address)) && !kind.starts_with("adr") {
            // A loop of one instruction would pass the probe again and again.
            assert_eq!(found.unwrap_err().error_type(), "no_cheap_instruction");
            return;
        }
        let site = found.unwrap_or_else(|unresolved| panic!("{line:?}: {unresolved}"));
        assert_eq!(
            (site.kind, site.address),
            (SiteKind::Simulated, line.address)
        );
        assert_eq!(site.instruction, expected, "{line:?}");
    } else {
        assert!(found.is_err(), "{line:?} as {found:?}");
    }
}

/// Writes the address of a target for its distance.
fn with_address(address: u64, text: &str) -> String {
    let Some((before, distance)) = text.rsplit_once(".+0x") else {
        return text.to_owned();
    };
    let distance = u64::from_str_radix(distance, 16).unwrap();
    let from = if text.starts_with("adrp") {
        address & !0xfff
    } else {
        address
    };
    format!("{before}{:#x}", from.wrapping_add(distance))
}
