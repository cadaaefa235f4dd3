//! `golens compat consul`: started by programs that look for `consul` in their PATH.

use std::{env, os::unix::fs::symlink, path::Path, process::Command};

use super::process::{Folder, GOLENS};

#[test]
fn programs_that_start_consul_get_golens() {
    let folder = Folder::new("compat-consul");
    symlink(GOLENS, folder.0.join("consul")).unwrap();
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [folder.0.clone()]
        .into_iter()
        .chain(env::split_paths(&path));
    let output = Command::new("go")
        .args(["test", "-count=1", "-p=2", "./compat"])
        .env("PATH", env::join_paths(folders).unwrap())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/targets/consul"))
        .output()
        .unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(
        output.status.success(),
        "the tests of the Go module failed:\n{printed}"
    );
}

#[test]
fn the_verb_and_the_name_are_the_same_program() {
    let folder = Folder::new("compat-name");
    let link = folder.0.join("consul");
    symlink(GOLENS, &link).unwrap();
    let version = ["version", "-format=json"];
    let by_name = Command::new(&link).args(version).output().unwrap();
    let by_verb = Command::new(GOLENS)
        .args(["compat", "consul"])
        .args(version)
        .output()
        .unwrap();
    assert!(by_name.status.success() && by_verb.status.success());
    assert_eq!(by_name.stdout, by_verb.stdout);
}
