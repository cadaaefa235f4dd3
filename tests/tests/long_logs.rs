//! Trace ids on log lines with every other Go version at hand.

#[path = "scenario/logs.rs"]
mod logs;

use tests::harness::Toolchain::Version;

const VERSIONS: [&str; 5] = [
    "go1.22.12",
    "go1.23.12",
    "go1.24.13",
    "go1.25.14",
    "go1.27.4",
];

#[test]
fn every_line_of_a_request_carries_its_trace_with_every_go() {
    for version in VERSIONS {
        logs::direct(Version(version), false, 3000);
    }
}

#[test]
fn a_shared_buffer_leads_to_no_wrong_trace_with_any_go() {
    for version in ["go1.21.13"].into_iter().chain(VERSIONS) {
        logs::buffered(Version(version), 4000);
    }
}
