//! Garbage collection pauses of every other Go version at hand.

#[path = "scenario/gc.rs"]
mod gc;

use tests::harness::Toolchain::Version;

#[test]
fn every_pause_is_reported_with_every_go() {
    for version in [
        "go1.22.12",
        "go1.23.12",
        "go1.24.13",
        "go1.25.14",
        "go1.27.4",
    ] {
        gc::exact(Version(version), false, 3);
    }
}
