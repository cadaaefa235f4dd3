//! Goroutines in windows and in traces, with every Go version at hand; the result is docs/windows.md.

#[path = "scenario/spawn.rs"]
#[expect(dead_code, reason = "budgets are not a matter of the version")]
mod spawn;

use tests::harness::{Page, Target, Toolchain::Version};

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

const BUILDS: [(&str, bool, &[&str]); 4] = [
    ("symbols", false, &[]),
    ("stripped", true, &[]),
    ("PIE, symbols", false, &["-buildmode=pie"]),
    ("PIE, stripped", true, &["-buildmode=pie"]),
];
const HEAD: &str = "\
# Goroutines in windows and traces

Written by the test `long_windows`; `GOLENS_UPDATE=1 cargo xtask test --all counted_and_traced` writes it again.

Each row is a build of a program that begins and ends goroutines at several places and knows how many.
What is compared with its own counts, and the last column counts what differs:

- places, begun, ended: while a window is open, by the file and line of the `go` statement; stacks at their end have
  the size that their recursion needs, and each of the probes is hit once for each goroutine
- traced: goroutines of `golens trace goroutines`; lifetimes lie within what the program measures in and around them
- waits: times from runnable to running of `golens trace sched`, each within what the program measures

Goroutines of Go 1.17 are not counted: where one is created cannot be seen at a cheap place.
";

#[test]
fn goroutines_are_counted_and_traced_with_every_go() {
    let columns = [
        "Go",
        "build",
        "places",
        "begun",
        "ended",
        "traced",
        "waits",
        "different",
    ];
    let mut page = Page::new("windows.md", HEAD, &columns);
    for (version, coroutines) in VERSIONS {
        for (build, stripped, flags) in BUILDS {
            let target = Target {
                stripped,
                flags,
                ..spawn::PROGRAM.with(Version(version))
            };
            let counted = spawn::counted(target);
            page.row(&[
                version.to_owned(),
                build.to_owned(),
                counted.places.to_string(),
                counted.begun.to_string(),
                counted.ended.to_string(),
                spawn::traced(target, coroutines).to_string(),
                spawn::waits(target).to_string(),
                "0".to_owned(),
            ]);
        }
    }
    page.file();
}
