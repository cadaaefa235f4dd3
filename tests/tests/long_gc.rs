//! Garbage collection with every Go version at hand, with symbols and without; the result is docs/gc.md.

#[path = "scenario/gc.rs"]
mod gc;
#[path = "scenario/gc_spans.rs"]
mod spans;
#[path = "scenario/gc_trace.rs"]
mod trace;

use tests::harness::{
    Page, Target,
    Toolchain::{Installed, Version},
};

const VERSIONS: [&str; 8] = [
    "go1.19.13",
    "go1.20.14",
    "go1.21.13",
    "go1.22.12",
    "go1.23.12",
    "go1.24.13",
    "go1.25.14",
    "go1.27.4",
];

/// Releases of the page.
const FILED: [&str; 9] = [
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
# GC cycles, pauses and stops

Written by the test `long_gc`; `GOLENS_UPDATE=1 cargo xtask test --all every_pause` writes it again.

Each row is a build of a program that collects some 300 times, while golens reads its ring of pauses and its probe
sees each stop of the world.
What is compared, and with what; the last column counts what differs:

- cycles: each is told once, in order; its pause equals `MemStats.PauseNs` and its end `PauseEnd`, to the ns; as many
  are forced as `NumForcedGC` says
- stops: their lengths add up to the pause of their cycle, to the ns, and fill the buckets of the runtime's own
  histogram (`/sched/pauses/total/gc`, before Go 1.22 `/gc/pauses`) with the very counts that it has
- stopping: the times until the last P had stopped fill the buckets of `/sched/pauses/stopping/gc`; `-`: the release
  does not tell them where the probe is
- other stops: those that `ReadMemStats` asked for; all stops together are as many as hits of the probe; `-`: the
  release does not tell their reason
";

#[test]
fn every_pause_and_stop_is_reported_with_every_go() {
    let columns = [
        "Go",
        "build",
        "cycles",
        "stops",
        "stopping",
        "other stops",
        "different",
    ];
    let mut page = Page::new("gc.md", HEAD, &columns);
    for version in FILED {
        for (build, stripped, flags) in BUILDS {
            let found = gc::exact(
                Target {
                    stripped,
                    flags,
                    ..Target::new("gcload").with(Version(version))
                },
                3,
            );
            let told = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
            page.row(&[
                version.to_owned(),
                build.to_owned(),
                found.cycles.to_string(),
                found.stops.to_string(),
                told(Some(found.stopping).filter(|count| *count > 0)),
                told(found.others),
                "0".to_owned(),
            ]);
        }
    }
    page.file();
}

#[test]
fn a_trace_is_what_the_runtime_prints_with_every_go() {
    for version in VERSIONS {
        for stripped in [false, true] {
            trace::equal(Version(version), stripped);
        }
    }
    trace::equal(Installed, true);
}

#[test]
fn a_request_tells_the_pauses_it_met_with_every_go() {
    for version in VERSIONS {
        spans::whole_pauses(Version(version));
        spans::parts_of_pauses(Version(version));
        spans::cycles_without_bounds(Version(version));
    }
}
