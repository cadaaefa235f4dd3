//! Garbage collection pauses, to the nanosecond.

#[path = "scenario/gc.rs"]
mod gc;

use tests::harness::Toolchain;

#[test]
fn every_pause_is_reported_with_the_installed_go() {
    gc::exact(Toolchain::Installed, false, 3);
}

#[test]
fn every_pause_is_reported_with_go_1_21() {
    gc::exact(Toolchain::Version("go1.21.13"), false, 3);
}
