//! The target is unharmed by probes and by their removal.

#[path = "scenario/unharmed.rs"]
mod unharmed;

use tests::harness::Toolchain;

#[test]
fn deep_recursion_survives_probes_and_their_removal() {
    unharmed::detach(Toolchain::Installed, 10_000);
}
