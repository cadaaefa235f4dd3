//! Go modules whose tests are the clients.

use std::{ffi::OsStr, path::Path, process::Command};

/// Runs the tests of a package of the module of Consul's clients; what they print shows when one fails.
pub(crate) fn go_tests<V: AsRef<OsStr>>(package: &str, environment: &[(&str, V)]) {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/targets/consul");
    let output = Command::new("go")
        .args(["test", "-count=1", "-p=2", package])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(module)
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(
        output.status.success(),
        "the tests of the Go package {package} failed:\n{printed}"
    );
}
