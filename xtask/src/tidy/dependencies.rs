//! Dependencies point downward: which crate of the workspace may use which.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::{build::cargo, paths::Paths, run::output};

/// Crate, and the crates of the workspace it may use. Nothing uses `tests` or `xtask`.
const MAY_USE: [(&str, &[&str]); 9] = [
    (
        "golens",
        &[
            "agent-ebpf",
            "golens-config",
            "golens-listen",
            "golens-registry",
            "golens-state",
            "symbols",
        ],
    ),
    ("golens-config", &["golens-listen", "golens-state"]),
    ("golens-listen", &[]),
    ("golens-registry", &["golens-listen", "golens-state"]),
    ("golens-state", &[]),
    ("agent-ebpf", &[]),
    ("symbols", &[]),
    ("tests", &["golens", "agent-ebpf", "symbols"]),
    ("xtask", &[]),
];

/// Crates that `symbols` must do without: it takes bytes and returns facts.
const NOT_IN_SYMBOLS: [&str; 6] = [
    "aya",
    "tokio",
    "tracing-subscriber",
    "serde_json",
    "memmap2",
    "libc",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

/// Compares `cargo metadata` with the picture.
pub(super) fn check(paths: &Paths) -> Result<Vec<String>> {
    let text = output(
        cargo()
            .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
            .current_dir(&paths.root),
    )?;
    let metadata: Metadata = serde_json::from_str(&text).context("read cargo metadata")?;
    Ok(compare(&metadata))
}

fn compare(metadata: &Metadata) -> Vec<String> {
    let picture = BTreeMap::from(MAY_USE);
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(allowed) = picture.get(name) else {
            findings.push(format!("{name}: not in the dependency picture of tidy"));
            continue;
        };
        for dependency in &package.dependencies {
            let used = dependency.name.as_str();
            if dependency.path.is_some() && !allowed.contains(&used) {
                findings.push(format!("{name} must not depend on {used}"));
            }
            let is_test_only = dependency.kind.as_deref() == Some("dev");
            if name == "symbols" && !is_test_only && NOT_IN_SYMBOLS.contains(&used) {
                findings.push(format!("symbols does no I/O and must not use {used}"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upward_dependencies_and_unknown_crates_are_found() {
        let metadata: Metadata = serde_json::from_str(
            r#"{"packages": [
                {"name": "golens", "dependencies": [
                    {"name": "symbols", "kind": null, "path": "/x"},
                    {"name": "tests", "kind": "dev", "path": "/x"}]},
                {"name": "symbols", "dependencies": [
                    {"name": "tokio", "kind": null, "path": null},
                    {"name": "libc", "kind": "dev", "path": null}]},
                {"name": "new", "dependencies": []}]}"#,
        )
        .unwrap();
        assert_eq!(
            compare(&metadata),
            [
                "golens must not depend on tests",
                "symbols does no I/O and must not use tokio",
                "new: not in the dependency picture of tidy",
            ]
        );
    }
}
