//! The goroutine profile of every release from 1.18 on, plain, stripped and loaded anywhere.

#[path = "scenario/goroutines.rs"]
mod goroutines;

use tests::harness::{Target, Toolchain};

const RELEASES: [&str; 10] = [
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

#[test]
fn the_profile_equals_the_dump_with_every_go() {
    for release in RELEASES {
        for flags in [&[][..], &["-buildmode=pie"]] {
            for stripped in [false, true] {
                goroutines::equal_to_the_dump(Target {
                    flags,
                    stripped,
                    ..Target::new("goroutines/parked").with(Toolchain::Version(release))
                });
            }
        }
    }
}
