//! Programs that look for Consul, unmodified, against `golens registry serve`: kratos, viper, grpc-go,
//! Prometheus, Traefik and consul-template. Long, because Go builds them.
#![expect(clippy::unwrap_used, reason = "a test that cannot start go must stop")]

use std::{path::Path, process::Command};

/// Runs all tests of a Go module; each starts a registry of its own.
fn go_tests(module: &str) {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/targets");
    let output = Command::new("go")
        .args(["test", "-count=1", "-p=2", "./..."])
        .env("GOLENS", env!("CARGO_BIN_EXE_golens"))
        .current_dir(targets.join(module))
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(
        output.status.success(),
        "the tests of {module} failed:\n{printed}"
    );
}

#[test]
fn kratos_viper_and_grpc_find_their_services() {
    go_tests("clients");
}

#[test]
fn prometheus_finds_its_targets() {
    go_tests("clients/prometheus");
}

#[test]
fn traefik_finds_its_routers() {
    go_tests("clients/traefik");
}

#[test]
fn services_find_each_other_and_outlive_their_registry() {
    go_tests("example");
}

#[test]
fn consul_template_writes_what_it_finds() {
    go_tests("clients/template");
}
