//! Probe sites of every function against the Go toolchain's disassembler.
//!
//! What an instruction writes is read from the disassembler's text, not by the crate's own decoder.

use std::collections::{BTreeMap, BTreeSet};

use symbols::{GoBinary, Machine, ProbeSite, SiteKind};

use crate::common::{Built, Disassembled, build, objdump, say};
use crate::servers::{parse, servers};

/// Instructions by their address.
type Code = BTreeMap<u64, Disassembled>;

#[test]
fn every_site_of_an_amd64_program_is_what_objdump_prints() {
    let servers = servers();
    for built in [&servers.default, &servers.pie] {
        compare(built, Machine::Amd64);
    }
}

#[test]
fn every_site_of_an_arm64_program_is_what_objdump_prints() {
    let arm64 = [("GOARCH", "arm64")];
    compare(
        &build("server", "server-arm64-sites", &[], &arm64),
        Machine::Arm64,
    );
    let pie = ["-buildmode=pie"];
    compare(
        &build("server", "server-arm64-sites-pie", &pie, &arm64),
        Machine::Arm64,
    );
}

fn compare(built: &Built, machine: Machine) {
    let lines = objdump(&built.path, ".", &["-gnu"]);
    let code: Code = lines.into_iter().map(|line| (line.address, line)).collect();
    let binary = parse(built);
    assert_eq!(binary.machine(), machine);
    let functions = binary.functions_where(|_| true).unwrap();
    let mut kinds = BTreeMap::<String, u32>::new();
    // A binary answers for a limited time.
    for functions in functions.chunks(2000) {
        let binary = parse(built);
        for function in functions.iter().filter(|function| function.size > 0) {
            let kind = match binary.probe_site(function) {
                Ok(site) => {
                    let inside = function.address..function.address + function.size;
                    assert!(inside.contains(&site.address), "{site:?} of {function:?}");
                    hold(&binary, &site, &code, inside);
                    site.kind.to_string()
                }
                Err(unresolved) => unresolved.error_type().to_owned(),
            };
            *kinds.entry(kind).or_default() += 1;
        }
    }
    say(format_args!("{}: {kinds:?}", built.path()));
    let found = |kind: SiteKind| kinds.get(&kind.to_string()).copied().unwrap_or(0);
    match machine {
        // Up to go1.20 `push %rbp` comes behind the change of the stack pointer.
        Machine::Amd64 => {
            assert!(
                found(SiteKind::PushRbp) + found(SiteKind::Jbe) > 3000,
                "{kinds:?}"
            )
        }
        // Arguments are on the stack there.
        Machine::Arm64 if !binary.go_version().at_least(18) => {
            assert_eq!(
                kinds.keys().collect::<Vec<_>>(),
                ["unsupported_version"],
                "{kinds:?}"
            );
        }
        Machine::Arm64 => {
            assert!(found(SiteKind::BLs) > 3000, "{kinds:?}");
            assert!(found(SiteKind::Simulated) > 50, "{kinds:?}");
        }
    }
}

/// Holds one site against the text of its function.
fn hold(binary: &GoBinary<'_>, site: &ProbeSite, code: &Code, inside: std::ops::Range<u64>) {
    let text = |line: &Disassembled| line.gnu().unwrap_or("?").to_owned();
    let at = code.get(&site.address).map(text).unwrap();
    let before: Vec<String> = code
        .range(inside.start..site.address)
        .map(|(_, line)| text(line))
        .collect();
    let place = || format!("{site:?} behind {before:?}, by objdump {at}");
    for instruction in &before {
        let written: BTreeSet<String> = match binary.machine() {
            Machine::Amd64 => written_amd64(instruction),
            Machine::Arm64 => written_arm64(instruction),
        };
        let read = written.iter().find(|register| is_read(register));
        assert_eq!(read, None, "{instruction} in {}", place());
    }
    let behind_check = |compares: &[&str]| {
        let last = before.last().unwrap();
        assert!(
            compares.iter().any(|one| last.starts_with(one)),
            "{}",
            place()
        );
    };
    match site.kind {
        SiteKind::PushRbp => assert_eq!(at, "push %rbp", "{}", place()),
        SiteKind::Jbe => {
            assert!(at.starts_with("jbe "), "{}", place());
            behind_check(&["cmp 0x10(%r14),%r", "cmp 0x18(%r14),%r"]);
        }
        SiteKind::BLs => {
            assert!(at.starts_with("b.ls "), "{}", place());
            behind_check(&["cmp sp, x16", "cmp x17, x16"]);
        }
        SiteKind::Simulated => {
            let kinds = ["b ", "b.", "bl", "cb", "tb", "ret", "adr"];
            assert!(kinds.iter().any(|kind| at.starts_with(kind)), "{}", place());
            // Nothing in the function leads back to the site or before it.
            for line in code.range(inside.clone()).map(|(_, line)| line) {
                let way = inside.start..=site.address;
                let target = target(line).filter(|target| way.contains(target));
                assert_eq!(target, None, "{line:?} leads into {}", place());
            }
        }
        other => panic!("{other}: {}", place()),
    }
}

/// Says whether a probe reads the register: arguments, the closure context, g, and the stack pointer.
fn is_read(register: &str) -> bool {
    const AMD64: [&str; 12] = [
        "%rax", "%rbx", "%rcx", "%rdi", "%rsi", "%r8", "%r9", "%r10", "%r11", "%rdx", "%r14",
        "%rsp",
    ];
    match register.strip_prefix('x').map(str::parse::<u8>) {
        Some(Ok(number)) => number <= 15 || number == 26 || number == 28,
        _ => register == "sp" || AMD64.contains(&register),
    }
}

/// The registers that an instruction of a prologue writes: in this syntax the last operand.
fn written_amd64(text: &str) -> BTreeSet<String> {
    let (kind, operands) = text.split_once(' ').unwrap_or((text, ""));
    let last = operands.rsplit(',').next().unwrap_or("");
    match kind {
        "cmp" | "cmpb" | "cmpl" | "cmpq" | "test" | "nop" | "nopl" | "nopw" | "jb" | "jbe" => {
            BTreeSet::new()
        }
        "mov" | "movq" | "lea" | "sub" | "xor" | "add" if last.starts_with('%') => {
            BTreeSet::from([last.to_owned()])
        }
        // To memory.
        "mov" | "movb" | "movl" | "movq" | "movups" if last.ends_with(')') => BTreeSet::new(),
        _ => panic!("an unexpected instruction before a site: {text}"),
    }
}

/// The registers that an instruction of a prologue writes: in this syntax the first operands, and the
/// base of an address that is changed.
fn written_arm64(text: &str) -> BTreeSet<String> {
    let (kind, operands) = text.split_once(' ').unwrap_or((text, ""));
    let operands: Vec<&str> = operands.split(", ").map(str::trim).collect();
    let results = match kind {
        "nop" | "cmp" | "cmn" | "tst" | "dmb" | "b.cc" | "str" | "strb" | "strh" | "stur"
        | "stp" | "stlr" | "stlrb" | "prfm" | "msr" | "dsb" | "isb" => 0,
        "ldp" => 2,
        "ldr" | "ldrb" | "ldrh" | "ldrsh" | "ldrsb" | "ldrsw" | "ldur" | "ldar" | "ldarb"
        | "mov" | "movk" | "add" | "sub" | "subs" | "and" | "orr" | "eor" | "lsl" | "lsr"
        | "asr" | "fmov" | "mrs" | "cset" | "ubfx" | "sxtw" | "neg" => 1,
        _ => panic!("an unexpected instruction before a site: {text}"),
    };
    let mut written: BTreeSet<String> = operands.iter().take(results).map(whole).collect();
    if text.ends_with('!') || text.contains("],#") {
        let base = text.split_once('[').unwrap().1;
        written.extend(base.split([',', ']']).next().map(str::to_owned));
    }
    written
}

/// The full register of a half one.
fn whole(operand: &&str) -> String {
    match operand.strip_prefix('w') {
        Some(number) => format!("x{number}"),
        None => (*operand).to_owned(),
    }
}

/// Where a jump of arm64 leads.
fn target(line: &Disassembled) -> Option<u64> {
    let text = line.gnu()?;
    let jumps = ["b ", "b.", "cb", "tb"];
    if !jumps.iter().any(|jump| text.starts_with(jump)) {
        return None;
    }
    let distance = u64::from_str_radix(text.rsplit_once(".+0x")?.1, 16).ok()?;
    Some(line.address.wrapping_add(distance))
}
