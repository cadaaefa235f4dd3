//! Structs by exact release or exact module version.

use super::{Lines, MODULES, RELEASES, STRUCTS, reference};
use crate::budget::Allowance;
use crate::error::Reason;
use crate::fact::Provenance;
use crate::image::Machine;
use crate::layout::{RawField, RawStruct, TypeSource};
use crate::modinfo::BuildInfo;
use crate::version::GoVersion;

/// Keys of table rows have this bit, which no address and no offset in a file has.
const KEY: u64 = 1 << 63;

/// Experiments that change no struct of the runtime: they concern packages above it, or the language.
const HARMLESS: &[&str] = &[
    "boringcrypto",
    "nojsonv2",
    "jsonv2",
    "loopvar",
    "noloopvar",
    "rangefunc",
    "norangefunc",
    "aliastypeparams",
    "noaliastypeparams",
];

/// The rows for one binary.
#[derive(Debug)]
pub(crate) struct StructTable<'b> {
    version: &'b GoVersion,
    machine: Machine,
    info: &'b BuildInfo,
}

impl<'b> StructTable<'b> {
    pub(crate) fn new(version: &'b GoVersion, machine: Machine, info: &'b BuildInfo) -> Self {
        Self {
            version,
            machine,
            info,
        }
    }

    /// Finds the key of a struct's row; `None` when the tables have no rows for the struct at all.
    pub(crate) fn find(&self, name: &str) -> Option<Result<u64, Reason>> {
        let ids = if reference::STRUCTS.contains(&name) {
            self.release()
        } else {
            self.module(name)?
        };
        Some(ids.and_then(|ids| {
            let mut keys = ids.split(' ').map(key_of);
            let named = |key: &Option<u64>| {
                let row = key.and_then(row)?;
                Some(row.split(' ').next()? == name)
            };
            let key = keys.find(|key| named(key) == Some(true)).flatten();
            key.ok_or(Reason::NotFound)
        }))
    }

    /// Finds the row of the release: the whole version text decides, as vendors change the runtime.
    pub(crate) fn release(&self) -> Result<&'static str, Reason> {
        let machine = machine_name(self.machine);
        let text = release_text(self.version);
        let row = text.and_then(|text| RELEASES.find(&format!("{text} {machine}")));
        row.ok_or_else(|| Reason::NoReference {
            what: "go",
            version: self.version.text.clone(),
            nearest: nearest(RELEASES, "go", &self.version.to_string(), Some(machine)),
        })
    }

    /// Finds the row of the module that has the struct's package; `None` when no row is for that module.
    fn module(&self, name: &str) -> Option<Result<&'static str, Reason>> {
        let covers = |path: &str| {
            let rest = name.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with(['/', '.']))
        };
        let modules = MODULES.all().filter_map(|line| line.split(' ').next());
        let path = modules.into_iter().find(|path| covers(path))?;
        // The innermost module of the build that covers the package is the one it was built from.
        let linked = self.info.deps.iter().filter(|module| covers(&module.path));
        let linked = linked.max_by_key(|module| module.path.len());
        let module = linked.filter(|module| module.path == path)?;
        let row = match &module.replace {
            None => MODULES.find(&format!("{path} {}", module.version)),
            Some(_) => None,
        };
        Some(row.ok_or_else(|| Reason::NoReference {
            what: path,
            version: match &module.replace {
                None => module.version.clone(),
                Some(other) => format!(
                    "{} replaced by {} {}",
                    module.version, other.path, other.version
                ),
            },
            nearest: nearest(MODULES, path, &module.version, None),
        }))
    }
}

impl TypeSource for StructTable<'_> {
    fn structure(
        &self,
        key: u64,
        _answer: &mut Allowance<'_>,
    ) -> Result<Option<RawStruct>, Reason> {
        let parsed = row(key).and_then(parse);
        parsed.map(Some).ok_or(Reason::Malformed {
            section: "reference table of structs",
            offset: key & !KEY,
        })
    }

    fn missing(&self) -> Reason {
        Reason::NotFound
    }

    fn provenance(&self, _keys: &[u64]) -> Provenance {
        Provenance::Table
    }
}

/// Answers the release with nothing else in the version text but experiments known to be harmless.
fn release_text(version: &GoVersion) -> Option<&str> {
    let text = version.text.as_str();
    let (release, rest) = text.split_once(' ').unwrap_or((text, "X:"));
    let list = rest.strip_prefix("X:")?;
    let mut experiments = list.split(',').filter(|name| !name.is_empty());
    experiments
        .all(|name| HARMLESS.contains(&name))
        .then_some(release)
}

fn machine_name(machine: Machine) -> &'static str {
    match machine {
        Machine::Amd64 => "amd64",
        Machine::Arm64 => "arm64",
    }
}

fn key_of(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16).ok().map(|id| id | KEY)
}

fn row(key: u64) -> Option<&'static str> {
    STRUCTS.find(&format!("{:010x}", key & !KEY))
}

/// Answers the size in the row of an id.
pub(super) fn size(id: &str) -> Option<u64> {
    STRUCTS.find(id)?.split(' ').nth(1)?.parse().ok()
}

fn parse(row: &str) -> Option<RawStruct> {
    let mut words = row.split(' ');
    let (_name, size) = (words.next()?, words.next()?.parse().ok()?);
    let fields = words.map(|word| {
        let mut parts = word.split(':');
        let (name, offset) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        let ty = match parts.next() {
            Some(id) => Some(key_of(id)?),
            None => None,
        };
        Some(RawField { name, offset, ty })
    });
    Some(RawStruct {
        size,
        fields: fields.collect::<Option<_>>()?,
    })
}

/// Names the newest known version below `version` and the oldest above it.
fn nearest(table: Lines, path: &str, version: &str, machine: Option<&str>) -> String {
    let wanted = numbers(version);
    let rows = table.all().filter_map(|line| {
        let mut words = line.split(' ');
        let (first, second) = (words.next()?, words.next()?);
        match machine {
            Some(machine) => (second == machine).then_some(first),
            None => (first == path).then_some(second),
        }
    });
    let (mut below, mut above) = (None::<&str>, None::<&str>);
    for known in rows {
        let place = numbers(known);
        if place <= wanted && below.is_none_or(|below| numbers(below) < place) {
            below = Some(known);
        }
        if place > wanted && above.is_none_or(|above| numbers(above) > place) {
            above = Some(known);
        }
    }
    let known: Vec<&str> = below.into_iter().chain(above).collect();
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(" and ")
    }
}

/// Reads the numbers of `go1.22.3` or `v1.60.0-rc1`, in order.
fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(|letter: char| !letter.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}
