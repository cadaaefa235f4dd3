//! Targets of every other Go version at hand stay unharmed.

#[path = "scenario/unharmed.rs"]
mod unharmed;

use tests::harness::Toolchain::Version;

#[test]
fn deep_recursion_survives_with_every_go() {
    for version in [
        "go1.21.13",
        "go1.22.12",
        "go1.23.12",
        "go1.24.13",
        "go1.25.14",
        "go1.27.4",
    ] {
        unharmed::detach(Version(version), 10_000);
    }
}
