//! Return instructions against the Go toolchain's disassembler.

use std::collections::BTreeSet;

use symbols::Machine;

use crate::common::{Built, build, objdump};
use crate::servers::{parse, servers, wanted};

/// Packages whose functions are compared.
const PACKAGES: &str = r"^(runtime|os|net|net/http|internal/poll|syscall|log|strings)\.";

#[test]
fn returns_are_those_of_the_disassembler() {
    let servers = servers();
    let arm = build(
        "server",
        "server-arm64-returns",
        &[],
        &[("GOARCH", "arm64")],
    );
    for (full, others) in [
        (&servers.default, vec![&servers.default, &servers.stripped]),
        (&servers.pie, vec![&servers.pie_stripped]),
        (&arm, vec![&arm]),
    ] {
        let lines = objdump(&full.path, PACKAGES, &[]);
        let reference = parse(full);
        // Go's disassembler does not know AVX-512 and loses its way behind it; go1.27's takes the byte
        // behind `vzeroupper` (c5 f8 77), which may be a return, for a part of it.
        let amd64 = reference.machine() == Machine::Amd64;
        let unknown = lines.iter().filter(|line| {
            let too_long = line.bytes.starts_with("c5f877") && line.bytes.len() > 6;
            amd64 && (line.text == "?" || too_long)
        });
        let unread: BTreeSet<u64> = unknown
            .filter_map(|line| reference.function_at(line.address))
            .map(|function| function.address)
            .collect();
        let read = |address: u64| {
            let function = reference.function_at(address);
            function.is_some_and(|function| !unread.contains(&function.address))
        };
        let is_return = |text: &str| text.split_whitespace().next() == Some("RET");
        let truth: BTreeSet<u64> = lines
            .iter()
            .filter(|line| is_return(&line.text) && read(line.address))
            .map(|line| line.address)
            .collect();
        assert!(truth.len() > 4000, "{} returns", truth.len());
        for built in others {
            let mut found = all_returns(full, built);
            found.retain(|&address| read(address));
            let differ: Vec<_> = found.symmetric_difference(&truth).collect();
            assert!(differ.is_empty(), "{differ:x?} in {}", built.path.display());
        }
    }
}

/// The returns of all functions of the packages, by the names in `full`.
fn all_returns(full: &Built, built: &Built) -> BTreeSet<u64> {
    let packages = [
        "runtime",
        "os",
        "net",
        "net/http",
        "internal/poll",
        "syscall",
        "log",
        "strings",
    ];
    let of_packages = |name: &str| {
        packages.iter().any(|package| {
            name.strip_prefix(package)
                .is_some_and(|rest| rest.starts_with('.'))
        })
    };
    let (reference, binary) = (parse(full), parse(built));
    let mut returns = BTreeSet::new();
    for function in reference.functions_where(of_packages).unwrap() {
        if function.size == 0 {
            continue;
        }
        let own = binary.function_at(function.address).expect("the same code");
        assert_eq!(own.address, function.address, "{}", function.name);
        returns.extend(binary.returns(&own).unwrap());
    }
    returns
}

#[test]
fn endless_loops_have_no_return_and_counts_are_the_known_ones() {
    let servers = servers();
    for built in [&servers.default, &servers.pie_stripped] {
        let binary = parse(built);
        let count = |name: &str| {
            binary
                .returns(&binary.function(name).unwrap())
                .unwrap()
                .len()
        };
        for (name, expected) in [
            ("runtime.gcBgMarkWorker", 0),
            ("runtime.bgsweep", 0),
            ("runtime.startTheWorldWithSema", 1),
            ("runtime.stopTheWorldWithSema", 1),
            ("runtime.gcMarkTermination", 1),
            ("runtime.gcMarkDone", 2),
            ("runtime.sweepone", 2),
            ("net/http.(*response).finishRequest", 1),
        ] {
            assert_eq!(count(name), expected, "{name}");
        }
        for name in wanted(&binary) {
            assert!(count(name) > 0, "{name}");
        }
    }
}
