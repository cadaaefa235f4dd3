//! Releases of Go: which there are, and what the programs of one say.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use super::{
    builds::{Builds, VARIANTS},
    rows::Rows,
    tables::Tables,
};
use crate::run::{output, say, skip};

/// The minor releases that golens reads.
const MINORS: std::ops::RangeInclusive<u32> = 17..=27;
/// Up to this minor release arm64 has code of its own in position-independent programs.
const LAST_OTHER_ARM64_PIE: u32 = 20;

/// The last minor release whose first patch is named without a zero: `go1.20`, and then `go1.21.0`.
const LAST_BARE_FIRST: u32 = 20;

/// Lists all releases that the Go proxy has as toolchains, the newest first.
///
/// The proxy names only some of those it has: of each minor release, all numbers up to the highest named one are
/// there to be asked for.
pub(super) fn all(builds: &Builds) -> Result<Vec<String>> {
    let mut list = builds.go("local")?;
    list.args(["list", "-m", "-versions", "golang.org/toolchain"])
        .env("GOFLAGS", "-mod=mod")
        .current_dir(builds.directory().join("program"));
    let text = output(&mut list)?;
    let named = text.split_whitespace().filter_map(|version| {
        number(
            version
                .strip_prefix("v0.0.1-")?
                .strip_suffix(".linux-amd64")?,
        )
    });
    Ok(up_to_the_highest(named))
}

/// The names of all patches of each minor release up to the highest given one, the newest first.
fn up_to_the_highest(named: impl Iterator<Item = (u32, u32)>) -> Vec<String> {
    let mut highest = BTreeMap::new();
    for (minor, patch) in named.filter(|(minor, _)| MINORS.contains(minor)) {
        let known = highest.entry(minor).or_insert(patch);
        *known = patch.max(*known);
    }
    let newest_first = highest.into_iter().rev();
    newest_first
        .flat_map(|(minor, highest)| (0..=highest).rev().map(move |patch| name(minor, patch)))
        .collect()
}

/// Writes the name of a release as Go does.
fn name(minor: u32, patch: u32) -> String {
    match patch {
        0 if minor <= LAST_BARE_FIRST => format!("go1.{minor}"),
        patch => format!("go1.{minor}.{patch}"),
    }
}

/// Whether the programs of a release are there or its toolchain can be had; says in the go command's words why not.
pub(super) fn is_offered(builds: &Builds, release: &str) -> Result<bool> {
    if builds.has_all(release) {
        return Ok(true);
    }
    let found = builds
        .go(release)?
        .arg("version")
        .current_dir(builds.directory().join("program"))
        .output()
        .context("run the go command")?;
    if !found.status.success() {
        let words = String::from_utf8_lossy(&found.stderr);
        skip(
            release,
            format_args!("not to be had: {}", words.trim().replace('\n', "; ")),
        );
    }
    Ok(found.status.success())
}

/// Reads `go1.26.8`, and `go1.20` as its patch 0; candidates are no releases.
fn number(release: &str) -> Option<(u32, u32)> {
    let (minor, patch) = match release.strip_prefix("go1.")?.split_once('.') {
        Some((minor, patch)) => (minor, patch),
        None => (release.strip_prefix("go1.")?, "0"),
    };
    Some((minor.parse().ok()?, patch.parse().ok()?))
}

/// Adds the rows of one release.
///
/// # Errors
/// When a program cannot be built or read, or the programs of one machine disagree on a struct.
pub(super) fn add(builds: &Builds, release: &str, tables: &mut Tables) -> Result<()> {
    let (minor, _) = number(release).context("not the name of a release, such as go1.26.8")?;
    let mut layouts: Vec<(&str, Rows)> = Vec::new();
    for variant in &VARIANTS {
        if variant.name == "arm64-pie" && minor > LAST_OTHER_ARM64_PIE {
            continue;
        }
        let program = builds.program(release, variant)?;
        let rows = Rows::parse(&builds.rows(&program, &[])?)?;
        tables.add_signatures(&rows);
        let machine = variant.machine();
        match layouts.iter().find(|(known, _)| *known == machine) {
            Some((_, known)) => ensure!(
                known.roots == rows.roots,
                "structs of {} are not those of {machine}",
                variant.name
            ),
            None => layouts.push((machine, rows)),
        }
    }
    for (machine, rows) in layouts {
        tables.set_release(&format!("{release} {machine}"), &rows)?;
    }
    skip(release, "read");
    builds.clean()?;
    say(format_args!("    {tables}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_and_candidates_left_out() {
        assert_eq!(number("go1.26.8"), Some((26, 8)));
        assert_eq!(number("go1.20"), Some((20, 0)));
        assert_eq!(number("go1.21rc2"), None);
        assert_eq!(number("go1.18beta1"), None);
    }

    #[test]
    fn numbers_that_are_not_named_are_asked_for() {
        let named = [(20, 0), (20, 2), (21, 1), (16, 3)];
        assert_eq!(
            up_to_the_highest(named.into_iter()),
            ["go1.21.1", "go1.21.0", "go1.20.2", "go1.20.1", "go1.20"]
        );
    }
}
