//! `golens compat consul`: started by programs that look for `consul` in their PATH.

use std::{env, os::unix::fs::symlink, process::Command};

use crate::{
    go::go_tests,
    process::{Folder, GOLENS},
};

#[test]
fn programs_that_start_consul_get_golens() {
    let folder = Folder::new("compat-consul");
    symlink(GOLENS, folder.0.join("consul")).unwrap();
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = [folder.0.clone()]
        .into_iter()
        .chain(env::split_paths(&path));
    let path = env::join_paths(folders).unwrap();
    go_tests("./compat", &[("PATH", path)]);
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
