//! Goroutines in windows and in traces, with every Go version at hand, with symbols and stripped.

#[path = "scenario/spawn.rs"]
#[expect(dead_code, reason = "budgets are not a matter of the version")]
mod spawn;

use tests::harness::Toolchain::Version;

/// Versions, and whether they have coroutines. Their patch releases are those of the reference tables.
const VERSIONS: [(&str, bool); 10] = [
    ("go1.18.10", false),
    ("go1.19.13", false),
    ("go1.20.14", false),
    ("go1.21.13", false),
    ("go1.22.12", false),
    ("go1.23.12", true),
    ("go1.24.13", true),
    ("go1.25.14", true),
    ("go1.26.8", true),
    ("go1.27.4", true),
];

#[test]
fn goroutines_are_counted_with_every_go() {
    for (version, _) in VERSIONS {
        for stripped in [false, true] {
            spawn::counted(spawn::PROGRAM.with(Version(version)).stripped(stripped));
        }
    }
}

#[test]
fn goroutines_are_traced_with_every_go() {
    for (version, coroutines) in VERSIONS {
        for stripped in [false, true] {
            let target = spawn::PROGRAM.with(Version(version)).stripped(stripped);
            spawn::traced(target, coroutines);
        }
    }
}

#[test]
fn waits_are_traced_with_every_go() {
    for (version, _) in VERSIONS {
        for stripped in [false, true] {
            spawn::waits(spawn::PROGRAM.with(Version(version)).stripped(stripped));
        }
    }
}
