//! What lies behind calls, against what a running program prints and a tracer reads there.

use std::collections::BTreeMap;
use std::process::Command;

use symbols::{GoBinary, Place, Reason, SiteKind};

use crate::common::build;
use crate::servers::{parse, servers};

/// A call whose result is compared: a name, caller, callee, which result, and the field read through it.
type Compared = (
    &'static str,
    &'static str,
    &'static str,
    usize,
    Option<(&'static str, &'static str)>,
);

const CALLS: [Compared; 4] = [
    ("first", "main.use", "main.give", 0, None),
    ("second", "main.use", "main.give", 1, None),
    (
        "goid",
        "runtime.newproc.func1",
        "runtime.newproc1",
        0,
        Some(("runtime.g", "goid")),
    ),
    ("read", "net.(*conn).Read", "net.(*netFD).Read", 0, None),
];

/// Writes a place for the tracer: `NAME:ADDRESS:PLACE[:OFFSET]`.
fn question(binary: &GoBinary<'_>, (name, caller, callee, result, field): Compared) -> String {
    let function = |name: &str| binary.function(name).unwrap();
    let found = binary
        .after_calls(&function(caller), &function(callee), result + 1)
        .unwrap();
    let [call] = found.as_slice() else {
        panic!("{caller} calls {callee} {} times", found.len());
    };
    assert_eq!(call.site.kind, SiteKind::AfterCall);
    let place = call.results[result].expect("the result is somewhere");
    let mut question = format!("{name}:{:#x}:{place}", call.site.address);
    if let Some((structure, field)) = field {
        let layouts = binary.layouts(&[structure]);
        let offset = layouts.field(structure, field).unwrap().value;
        question.push_str(&format!(":{offset}"));
    }
    question
}

#[test]
fn results_are_where_a_tracer_finds_them() {
    let tracer = build("tracer", "tracer", &[], &[]);
    let plain = build("calls", "calls", &[], &[]);
    let stripped = build("calls", "calls-stripped", &["-ldflags=-s -w"], &[]);
    for built in [&plain, &stripped] {
        let binary = parse(built);
        let questions = CALLS.map(|call| question(&binary, call));
        // One thread at a time runs Go code, so that none passes a breakpoint while it is lifted.
        let ran = Command::new(&tracer.path)
            .arg(&built.path)
            .args(&questions)
            .env("GOMAXPROCS", "1")
            .env("GODEBUG", "asyncpreemptoff=1")
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{questions:?}: {errors}");
        let mut values = BTreeMap::<(&str, &str), Vec<i64>>::new();
        let text = String::from_utf8(ran.stdout).unwrap();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let value = words[2].parse().unwrap();
            values.entry((words[0], words[1])).or_default().push(value);
        }
        for (name, ..) in CALLS {
            let (own, traced) = (&values[&("own", name)], &values[&("traced", name)]);
            assert_eq!(own.len(), 40, "{name}");
            // The runtime starts goroutines before those of the program.
            let traced = &traced[traced.len() - own.len()..];
            assert_eq!(traced, own, "{name} at {questions:?}");
            if name != "goid" {
                assert_eq!(values[&("traced", name)].len(), own.len(), "{name}");
            }
        }
    }
}

#[test]
fn a_call_without_a_cheap_place_behind_it_has_a_reason() {
    let servers = servers();
    let arm = build("server", "server-arm64-calls", &[], &[("GOARCH", "arm64")]);
    for (built, amd64) in [
        (&servers.default, true),
        (&servers.pie_stripped, true),
        (&arm, false),
    ] {
        let binary = parse(built);
        let ask = |caller: &str, callee: &str| {
            let function = |name: &str| binary.function(name).unwrap();
            binary.after_calls(&function(caller), &function(callee), 1)
        };
        let none = ask("runtime.newproc1", "net.(*conn).Read").unwrap_err();
        if !amd64 && !binary.go_version().at_least(18) {
            assert_eq!(none.error_type(), "unsupported_version");
            continue;
        }
        let callee = "net.(*conn).Read".to_owned();
        assert_eq!(none.reason, Reason::NoCall { callee });
        // It only returns what the other returns: on arm64 `ret` itself is simulated.
        let last = ask(
            "net/http.(*Transport).RoundTrip",
            "net/http.(*Transport).roundTrip",
        );
        match last {
            Err(unresolved) => {
                assert!(amd64, "{unresolved}");
                assert_eq!(unresolved.error_type(), "no_site_behind_call");
            }
            Ok(found) => {
                assert!(!amd64, "{found:?}");
                assert_eq!(found[0].site.instruction, "ret");
                assert!(matches!(found[0].results[0], Some(Place::Register(_))));
            }
        }
        for (caller, callee) in [
            ("runtime.newproc.func1", "runtime.newproc1"),
            ("net.(*conn).Read", "net.(*netFD).Read"),
            ("net/http.(*conn).serve", "net/http.(*conn).readRequest"),
        ] {
            for call in ask(caller, callee).unwrap() {
                assert!(call.results[0].is_some(), "{caller} -> {callee}: {call:?}");
                assert_eq!(
                    binary.file_offset(call.site.address),
                    Some(call.site.file_offset)
                );
            }
        }
    }
}
