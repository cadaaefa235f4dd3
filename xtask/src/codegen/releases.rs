//! Releases of Go: which there are, and what the programs of one say.

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

/// Lists all releases that the Go proxy offers as toolchains, the newest first.
pub(super) fn all(builds: &Builds) -> Result<Vec<String>> {
    let mut list = builds.go("local")?;
    list.args(["list", "-m", "-versions", "golang.org/toolchain"])
        .env("GOFLAGS", "-mod=mod")
        .current_dir(builds.directory().join("program"));
    let text = output(&mut list)?;
    let names = text.split_whitespace().filter_map(|version| {
        let release = version
            .strip_prefix("v0.0.1-")?
            .strip_suffix(".linux-amd64")?;
        Some((number(release)?, release.to_owned()))
    });
    let mut releases: Vec<_> = names
        .filter(|((minor, _), _)| MINORS.contains(minor))
        .collect();
    releases.sort();
    releases.reverse();
    Ok(releases.into_iter().map(|(_, name)| name).collect())
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
}
