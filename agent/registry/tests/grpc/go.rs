//! An unmodified grpc-go: it learns the services by reflection.

use std::{net::SocketAddr, path::Path, process::Command};

use crate::server::{Wishes, start};

/// Runs the tests of the Go module and returns what they print when one fails.
fn go_tests(address: SocketAddr) -> Result<(), String> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/targets/registry");
    let output = Command::new("go")
        .args(["test", "-count=1", "-p=2", "./..."])
        .env("GOLENS_REGISTRY_ADDR", address.to_string())
        .current_dir(module)
        .output()
        .map_err(|error| format!("cannot run go: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&printed).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_go_registers_resolves_and_watches() {
    let running = start(Wishes::default()).await;
    let address = running.address;
    let tested = tokio::task::spawn_blocking(move || go_tests(address)).await;
    if let Err(printed) = tested.unwrap() {
        panic!("the tests of the Go module failed:\n{printed}");
    }
    running.stop().await;
}
