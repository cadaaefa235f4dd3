//! The goroutine profile of every release, plain, stripped and loaded anywhere; the result is docs/goroutines.md.

#[path = "scenario/goroutines.rs"]
mod goroutines;

use tests::harness::{Page, Target, Toolchain};

const RELEASES: [&str; 11] = [
    "go1.17.13",
    "go1.18.10",
    "go1.19.13",
    "go1.20.14",
    "go1.21.13",
    "go1.22.12",
    "go1.23.12",
    "go1.24.13",
    "go1.25.14",
    "go1.26.8",
    "go1.27.4",
];

const BUILDS: [(&str, bool, &[&str]); 4] = [
    ("symbols", false, &[]),
    ("stripped", true, &[]),
    ("PIE, symbols", false, &["-buildmode=pie"]),
    ("PIE, stripped", true, &["-buildmode=pie"]),
];
const HEAD: &str = "\
# Goroutine profiles

Written by the test `long_goroutines`; `GOLENS_UPDATE=1 cargo xtask test --all equals_the_dump` writes it again.

Each row is a build of a program whose goroutines wait in all ways that there are: channels, select, nil channels,
mutex, wait group, condition, sleep, network, a system call, generic and deep functions, coroutines.
golens reads it while it runs, and the program dumps itself with `pprof.Lookup(\"goroutine\")`, debug=2, before and
after; what is compared, and the last column counts what differs:

- kinds: state or reason to wait, and creation site as function, file and line; with the same number of goroutines
- goroutines: of all kinds together
- stacks: one of each group, call by call with inlined calls, as function, file and line
";

#[test]
fn the_profile_equals_the_dump_with_every_go() {
    let columns = ["Go", "build", "kinds", "goroutines", "stacks", "different"];
    let mut page = Page::new("goroutines.md", HEAD, &columns);
    for release in RELEASES {
        for (build, stripped, flags) in BUILDS {
            let found = goroutines::equal_to_the_dump(Target {
                flags,
                stripped,
                ..Target::new("goroutines/parked").with(Toolchain::Version(release))
            });
            assert_eq!(found.stacks, found.waiting, "{release} {build}: {found:?}");
            page.row(&[
                release.to_owned(),
                build.to_owned(),
                found.kinds.to_string(),
                found.goroutines.to_string(),
                found.stacks.to_string(),
                "0".to_owned(),
            ]);
        }
    }
    page.file();
}
