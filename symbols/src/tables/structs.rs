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

/// Experiments that change no struct of the runtime, seen by building with each: they concern packages
/// above it, or the language.
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
    "nodwarf5",
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

    /// Finds the key of a struct's row; `None` when the tables say nothing of the struct.
    pub(crate) fn find(&self, name: &str) -> Option<Result<u64, Reason>> {
        let is_runtime = reference::STRUCTS.contains(&name);
        let ids = if is_runtime {
            self.release()
        } else {
            self.module(name)?
        };
        let ids = match ids {
            Ok(ids) => ids,
            Err(reason) => return Some(Err(reason)),
        };
        let named = |key: &u64| row(*key).and_then(|row| row.split(' ').next()) == Some(name);
        match ids.split(' ').filter_map(key_of).find(named) {
            Some(key) => Some(Ok(key)),
            // Of the runtime, all structs that a release has are in its row; of a module, only some are.
            None => is_runtime.then_some(Err(Reason::NotFound)),
        }
    }

    /// Finds the row of the release: the whole version text decides, as vendors change the runtime.
    pub(crate) fn release(&self) -> Result<&'static str, Reason> {
        let machine = machine_name(self.machine);
        let text = release_text(self.version);
        let row = text.and_then(|text| RELEASES.find(&format!("{text} {machine}")));
        row.ok_or_else(|| Reason::NoReference {
            what: "release",
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

/// Answers the version text without its experiments, if they are known to be harmless.
fn release_text(version: &GoVersion) -> Option<&str> {
    version
        .experiments()
        .all(|name| HARMLESS.contains(&name))
        .then_some(version.without_experiments())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modinfo::Module;

    fn version(text: &str) -> GoVersion {
        GoVersion::parse(text).unwrap()
    }

    #[test]
    fn only_harmless_experiments_leave_the_release_what_it_is() {
        let release = |text| release_text(&version(text)).map(str::to_owned);
        assert_eq!(release("go1.22.5"), Some("go1.22.5".into()));
        assert_eq!(release("go1.22.5 X:boringcrypto"), Some("go1.22.5".into()));
        assert_eq!(release("go1.22.5 X:boringcrypto,staticlockranking"), None);
        assert_eq!(release("go1.26.8-X:jsonv2"), Some("go1.26.8".into()));
        // A vendor's own suffix makes another release, which the table does not have.
        for text in [
            "go1.26.8-vendor",
            "go1.26.8 (Red Hat 1.26.8-1.el9)",
            "devel go1.27-0123abcd",
        ] {
            assert_eq!(release(text).as_deref(), Some(text));
            assert_eq!(RELEASES.find(&format!("{text} amd64")), None);
        }
    }

    #[test]
    fn an_unknown_release_names_its_neighbours() {
        let info = BuildInfo::default();
        let reason = |text: &str| {
            let version = version(text);
            let table = StructTable::new(&version, Machine::Amd64, &info);
            table.find("runtime.schedt").unwrap().unwrap_err()
        };
        let unknown = |version: &str, nearest: &str| Reason::NoReference {
            what: "release",
            version: version.to_owned(),
            nearest: nearest.to_owned(),
        };
        assert_eq!(
            reason("go1.26.8-vendor"),
            unknown("go1.26.8-vendor", "go1.26.8 and go1.26.9")
        );
        let known = Lines::new("go1.18 amd64 a\ngo1.18.2 amd64 a\ngo1.18.10 amd64 a\n");
        for (version, expected) in [
            ("go1.18.1", "go1.18 and go1.18.2"),
            ("go1.18.9", "go1.18.2 and go1.18.10"),
            ("go1.17.1", "go1.18"),
            ("go1.19.1", "go1.18.10"),
        ] {
            assert_eq!(nearest(known, "go", version, Some("amd64")), expected);
        }
        assert_eq!(nearest(known, "go", "go1.18.1", Some("arm64")), "none");
    }

    #[test]
    fn a_module_counts_by_exact_version_and_only_unreplaced() {
        const STREAM: &str = "google.golang.org/grpc/internal/transport.Stream";
        let release = version("go1.26.8");
        let find = |path: &str, linked: &str, replace: Option<Box<Module>>| {
            let info = BuildInfo {
                deps: vec![Module {
                    path: path.to_owned(),
                    version: linked.to_owned(),
                    replace,
                }],
                ..BuildInfo::default()
            };
            StructTable::new(&release, Machine::Amd64, &info).find(STREAM)
        };
        let grpc = "google.golang.org/grpc";
        assert!(find(grpc, "v1.65.0", None).unwrap().is_ok());
        let other = Box::new(Module::default());
        for found in [
            find(grpc, "v1.65.0", Some(other)),
            find(grpc, "v1.65.1-0.20240101000000-0123456789ab", None),
        ] {
            assert!(
                matches!(found, Some(Err(Reason::NoReference { .. }))),
                "{found:?}"
            );
        }
        // Not linked, or from a module inside the module.
        assert_eq!(find("example.test/m", "v1.65.0", None), None);
        assert_eq!(
            find("google.golang.org/grpc/internal", "v1.65.0", None),
            None
        );
    }
}
