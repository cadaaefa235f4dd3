//! Modules whose structs golens reads: their layouts are computed from source, without compiling.
//!
//! The layout of a struct may depend on the Go release through types of the standard library it holds by value.
//! A struct enters the table only when each of these has one size in all minor releases that golens reads.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use self::source::{Found, Source};
use super::{builds::Builds, rows::Rows, tables::Tables};
use crate::run::{say, skip};

/// A module, the oldest version of interest, a package of it and the structs wanted from that package.
struct Wanted {
    module: &'static str,
    oldest: (u32, u32),
    package: &'static str,
    structs: &'static [&'static str],
}

const WANTED: [Wanted; 3] = [
    Wanted {
        module: "google.golang.org/grpc",
        oldest: (1, 40),
        package: "google.golang.org/grpc/internal/transport",
        structs: &[
            "Stream",
            "ServerStream",
            "ClientStream",
            "http2Server",
            "http2Client",
        ],
    },
    Wanted {
        module: "google.golang.org/grpc",
        oldest: (1, 40),
        package: "google.golang.org/grpc/internal/status",
        structs: &["Status"],
    },
    Wanted {
        module: "golang.org/x/net",
        oldest: (0, 1),
        package: "golang.org/x/net/http2",
        structs: &[
            "serverConn",
            "stream",
            "responseWriter",
            "responseWriterState",
            "requestBody",
            "Framer",
            "FrameHeader",
            "HeadersFrame",
            "MetaHeadersFrame",
            "ClientConn",
            "clientStream",
            "Transport",
        ],
    },
];

/// Lists all tagged versions as `path@version`, the newest first.
pub(super) fn all(builds: &Builds) -> Result<Vec<String>> {
    let source = Source::new(builds)?;
    let oldest: BTreeMap<_, _> = WANTED
        .iter()
        .map(|wanted| (wanted.module, wanted.oldest))
        .collect();
    let mut found = Vec::new();
    for (module, oldest) in oldest {
        let versions = source.versions(module)?.into_iter().rev();
        let wanted = versions.filter(|version| number(version).is_some_and(|is| is >= oldest));
        found.extend(wanted.map(|version| format!("{module}@{version}")));
    }
    Ok(found)
}

/// Adds the rows of one module version.
///
/// # Errors
/// When the version cannot be fetched, or a type in its structs cannot be checked.
pub(super) fn add(builds: &Builds, module: &str, tables: &mut Tables) -> Result<()> {
    let (path, version) = module.split_once('@').context("not path@version")?;
    let source = Source::new(builds)?;
    let unsteady = source.unsteady()?;
    let mut rows = Rows::default();
    let wanted = WANTED.iter().filter(|wanted| wanted.module == path);
    for wanted in wanted {
        let found = source.structs(path, version, wanted.package, wanted.structs)?;
        let mut layouts = Layouts {
            found: &found,
            unsteady: &unsteady,
            rows: &mut rows,
        };
        for name in wanted.structs {
            let name = format!("{}.{name}", wanted.package);
            if let Some(id) = layouts.id(&name) {
                layouts.rows.roots.insert(name, id);
            }
        }
    }
    tables.set_module(&format!("{path} {version}"), &rows)?;
    skip(module, format_args!("{} structs", rows.roots.len()));
    Ok(())
}

/// Turns what the type checker printed into rows.
struct Layouts<'a> {
    found: &'a BTreeMap<String, Found>,
    unsteady: &'a BTreeSet<String>,
    rows: &'a mut Rows,
}

impl Layouts<'_> {
    /// Adds the row of a struct after those inside it; `None` for a type without one.
    fn id(&mut self, name: &str) -> Option<String> {
        let found = self.found.get(name)?;
        if let Some(depends) = found
            .values
            .iter()
            .find(|value| self.unsteady.contains(*value))
        {
            say(format_args!(
                "    {name}: left out, its layout depends on {depends}"
            ));
            return None;
        }
        let mut rest = format!("{name} {}", found.size);
        for (field, offset, ty) in &found.fields {
            rest += &format!(" {field}:{offset}");
            if let Some(id) = self.id(ty) {
                rest += &format!(":{id}");
            }
        }
        let id = row_id(&rest);
        self.rows.structs.insert(id.clone(), rest);
        Some(id)
    }
}

/// The id of a row: 40 bits of FNV-1a of the rest of its line, as `symbols::reference::row_id` computes it.
fn row_id(rest: &str) -> String {
    let hash = rest.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:010x}", hash & 0xff_ffff_ffff)
}

/// Reads `v1.65.0`; candidates and pseudo-versions are no releases.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix('v')?.split('.');
    let found = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next()?.parse::<u32>().ok()?;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_no_releases() {
        assert_eq!(number("v1.65.0"), Some((1, 65)));
        assert_eq!(number("v1.65.0-dev"), None);
        assert_eq!(number("v0.0.0-20210405180319-a5a99cb37ef4"), None);
    }

    #[test]
    fn ids_are_those_of_the_reader() {
        assert_eq!(row_id("runtime.stack 16 lo:0 hi:8"), "eab82b066c");
    }

    #[test]
    fn a_struct_on_unsteady_ground_is_left_out() {
        let text = "struct p.Outer 40 in:0:p.Inner map:16:sync.Map value=sync.Map\nstruct p.Inner 16 a:0: b:8:\n";
        let found = source::parse(text).unwrap();
        let mut rows = Rows::default();
        let steady = BTreeSet::new();
        let unsteady = BTreeSet::from(["sync.Map".to_owned()]);
        let mut id = |unsteady| {
            let mut layouts = Layouts {
                found: &found,
                unsteady,
                rows: &mut rows,
            };
            layouts.id("p.Outer")
        };
        assert_eq!(id(&unsteady), None);
        let outer = id(&steady).unwrap();
        let inner = row_id("p.Inner 16 a:0 b:8");
        assert_eq!(
            rows.structs[&outer],
            format!("p.Outer 40 in:0:{inner} map:16")
        );
    }
}
