//! Exact counts of HTTP requests: every other Go version at hand, and more load.

#[path = "scenario/http_count.rs"]
mod http_count;

use tests::harness::Toolchain::{Installed, Version};

const VERSIONS: [&str; 5] = [
    "go1.22.12",
    "go1.23.12",
    "go1.24.13",
    "go1.25.14",
    "go1.27.4",
];

#[test]
fn every_request_is_counted_with_every_go() {
    for version in VERSIONS {
        http_count::exact(Version(version), false, 4000, &[1, 64]);
    }
}

#[test]
fn every_request_is_counted_with_every_go_stripped() {
    for version in VERSIONS {
        http_count::exact(Version(version), true, 4000, &[1, 64]);
    }
}

#[test]
fn every_request_is_counted_under_more_load() {
    http_count::exact(Installed, false, 50_000, &[1, 16, 64]);
}
