//! Garbage collection of every other Go version at hand, with symbols and without.

#[path = "scenario/gc.rs"]
mod gc;
#[path = "scenario/gc_spans.rs"]
mod spans;
#[path = "scenario/gc_trace.rs"]
mod trace;

use tests::harness::Toolchain::{Installed, Version};

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

#[test]
fn every_pause_and_stop_is_reported_with_every_go() {
    for version in VERSIONS {
        for stripped in [false, true] {
            gc::exact(Version(version), stripped, 3);
        }
    }
    gc::exact(Installed, true, 3);
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
