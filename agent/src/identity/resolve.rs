//! Facts about a process and its program become its [`Resource`].

use std::hash::Hasher as _;

use super::{Node, Resource, container_id, parse_attributes};
use crate::discovery::{Process, ProcessId, RefusedReason};

/// What identity needs to know of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Process id.
    pub pid: u32,
    /// Start in clock ticks since boot.
    pub start_time_ticks: u64,
    /// Bottom of the main stack; another one after each exec.
    pub stack_start: u64,
    /// Inode of the executable.
    pub inode: u64,
    /// Inode of the pid namespace.
    pub pid_namespace: u64,
    /// Path of the executable.
    pub executable: String,
    /// Cgroup paths.
    pub cgroups: Vec<String>,
    /// Environment; empty when golens may not read it.
    pub environment: Vec<(String, String)>,
}

impl ProcessFacts {
    /// Reads them from a process in scope that is known to be Go.
    ///
    /// An environment that may not be read is left empty: the executable names the service then.
    #[must_use]
    pub fn read(process: &Process) -> Self {
        let ProcessId {
            pid,
            start_time_ticks,
        } = process.id;
        let environment = process.environment().unwrap_or_else(|error| {
            // A process that has ended leaves nothing to be named.
            if !matches!(error, RefusedReason::Exited | RefusedReason::Replaced) {
                tracing::warn!(%error, pid, "service named after its executable: OTEL_* is not readable");
            }
            Vec::new()
        });
        Self {
            pid,
            start_time_ticks,
            stack_start: process.incarnation.stack_start,
            inode: process.incarnation.binary.inode,
            pid_namespace: process.pid_namespace(),
            executable: process.executable.clone(),
            cgroups: process.cgroups.clone(),
            environment,
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.environment
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }
}

/// What identity needs to know of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoProgram {
    /// `go1.26.8`.
    pub version: String,
    /// Version of the main module, such as `v1.4.2` or `(devel)`.
    pub main_version: Option<String>,
}

/// Attributes golens states itself; a process cannot override them.
///
/// `service.instance.id` is among them: children inherit the variable, and two processes of one id
/// would become one series.
const OWN: [&str; 6] = [
    "service.instance.id",
    "host.name",
    "process.pid",
    "process.executable.name",
    "process.runtime.version",
    "container.id",
];

/// Resolves the identity that all signals of a process carry.
#[must_use]
pub fn resolve(node: &Node, process: &ProcessFacts, program: &GoProgram) -> Resource {
    let mut stated = stated_attributes(process);
    let mut take = |name: &str| {
        let at = stated.iter().position(|(key, _)| key == name)?;
        Some(stated.swap_remove(at).1).filter(|value| !value.is_empty())
    };
    let by_attribute = take("service.name");
    let service_namespace = take("service.namespace");
    let service_version = take("service.version");
    let executable_name = base_name(&process.executable).to_owned();
    let service_name = process
        .variable("OTEL_SERVICE_NAME")
        .map(str::to_owned)
        .or(by_attribute)
        .unwrap_or_else(|| executable_name.clone());
    stated.retain(|(key, _)| !OWN.contains(&key.as_str()));
    stated.sort();
    Resource {
        service_name,
        service_namespace,
        service_version: service_version.or_else(|| module_version(program)),
        service_instance_id: instance_id(node, process),
        host_name: node.host_name.clone(),
        pid: process.pid,
        executable_name,
        runtime_version: program.version.clone(),
        container_id: container_id(&process.cgroups),
        extra: stated,
    }
}

fn stated_attributes(process: &ProcessFacts) -> Vec<(String, String)> {
    let Some(text) = process.variable("OTEL_RESOURCE_ATTRIBUTES") else {
        return Vec::new();
    };
    parse_attributes(text).unwrap_or_else(|error| {
        tracing::warn!(%error, pid = process.pid, "OTEL_RESOURCE_ATTRIBUTES ignored");
        Vec::new()
    })
}

fn base_name(path: &str) -> &str {
    path.rsplit('/')
        .next()
        .filter(|name| !name.is_empty())
        .unwrap_or("unknown_service")
}

/// The version of the main module where it is one; a build of a working tree has `(devel)`.
fn module_version(program: &GoProgram) -> Option<String> {
    program
        .main_version
        .clone()
        .filter(|version| version.starts_with('v'))
}

/// Names one run of one program: the same after a restart of the agent, another after exec.
fn instance_id(node: &Node, process: &ProcessFacts) -> String {
    let half = |salt: u8| {
        let mut hash = Fnv1a::default();
        hash.write_u8(salt);
        hash.write(node.boot_id.as_bytes());
        for number in [
            u64::from(process.pid),
            process.start_time_ticks,
            process.stack_start,
            process.inode,
            process.pid_namespace,
        ] {
            hash.write(&number.to_le_bytes());
        }
        hash.finish()
    };
    uuid(u128::from(half(1)) << 64 | u128::from(half(2)))
}

/// Writes 128 bits as a UUID of version 8, the one for identifiers of one's own making.
fn uuid(bits: u128) -> String {
    let bits = bits & !(0xF << 76) | 8 << 76;
    let bits = bits & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{bits:032x}");
    let mut text = String::with_capacity(36);
    for (at, digit) in hex.chars().enumerate() {
        if [8, 12, 16, 20].contains(&at) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// FNV-1a with a final mix: stable over releases of golens, which the standard hasher is not.
struct Fnv1a(u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl std::hash::Hasher for Fnv1a {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 33).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        (mixed ^ mixed >> 33).wrapping_mul(0xC4CE_B9FE_1A85_EC53) ^ mixed >> 29
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        Node {
            host_name: "n1".into(),
            boot_id: "b".into(),
        }
    }

    fn process(environment: &[(&str, &str)]) -> ProcessFacts {
        ProcessFacts {
            pid: 42,
            start_time_ticks: 7,
            executable: "/srv/bin/orders".into(),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..ProcessFacts::default()
        }
    }

    fn resolved(environment: &[(&str, &str)]) -> Resource {
        resolve(&node(), &process(environment), &GoProgram::default())
    }

    #[test]
    fn the_name_comes_from_variable_then_attribute_then_executable() {
        let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=by-attribute");
        let both = resolved(&[("OTEL_SERVICE_NAME", "by-variable"), attributes]);
        assert_eq!(both.service_name, "by-variable");
        assert_eq!(resolved(&[attributes]).service_name, "by-attribute");
        assert_eq!(
            resolved(&[("OTEL_SERVICE_NAME", " ")]).service_name,
            "orders"
        );
        assert_eq!(resolved(&[]).service_name, "orders");
    }

    #[test]
    fn stated_attributes_are_taken_but_not_those_golens_knows_better() {
        let resource = resolved(&[(
            "OTEL_RESOURCE_ATTRIBUTES",
            "team=a,service.namespace=shop,service.version=2,process.pid=1,service.instance.id=x,host.name=y",
        )]);
        assert_eq!(resource.service_namespace.as_deref(), Some("shop"));
        assert_eq!(resource.service_version.as_deref(), Some("2"));
        assert_eq!(resource.extra, [("team".to_owned(), "a".to_owned())]);
        assert_eq!(resource.host_name, "n1");
        assert_ne!(resource.service_instance_id, "x");
    }

    #[test]
    fn a_broken_variable_is_ignored_as_a_whole() {
        let resource = resolved(&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,broken")]);
        assert_eq!(resource.service_name, "orders");
    }

    #[test]
    fn only_real_versions_count() {
        let version = |text: &str| {
            let program = GoProgram {
                main_version: Some(text.to_owned()),
                ..GoProgram::default()
            };
            resolve(&node(), &process(&[]), &program).service_version
        };
        assert_eq!(version("v1.2.3").as_deref(), Some("v1.2.3"));
        assert_eq!(version("(devel)"), None);
        assert_eq!(version(""), None);
    }

    #[test]
    fn the_instance_is_one_run_of_one_program() {
        let id = |change: fn(&mut ProcessFacts)| {
            let mut facts = process(&[]);
            change(&mut facts);
            resolve(&node(), &facts, &GoProgram::default()).service_instance_id
        };
        let same = id(|_| {});
        assert_eq!(same, id(|_| {}));
        assert_eq!(same.len(), 36);
        assert_eq!(same.get(14..15), Some("8"));
        for other in [
            id(|facts| facts.pid = 43),
            id(|facts| facts.start_time_ticks = 8),
            id(|facts| facts.stack_start = 9),
            id(|facts| facts.inode = 9),
            id(|facts| facts.pid_namespace = 9),
        ] {
            assert_ne!(same, other);
        }
    }
}
