//! Everything the agent knows of one binary.

use std::collections::BTreeSet;

use agent_ebpf::{counter::Program, offsets::Offsets};
use serde::{Deserialize, Serialize};
use symbols::{GoBinary, Unresolved};

use super::{Plan, Writers, gc_offsets, offsets};
use crate::{
    discovery::UnresolvedReport,
    probe::Feature,
    runtime::{
        RUNTIME_STRUCTS, RuntimeFacts,
        profile::{PROFILE_STRUCTS, ProfileFacts},
    },
};

/// A place to attach a program to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The program.
    pub program: Program,
    /// The Go function.
    pub function: String,
    /// Virtual address of the instruction in the file.
    pub address: u64,
    /// Where it is in the file.
    pub file_offset: u64,
    /// The instruction, such as `push %rbp`.
    pub instruction: String,
    /// Whether it is a `jbe`, whose program tests the flags.
    pub is_branch: bool,
}

/// A part of the file that is loaded.
///
/// # Units   addresses as linked, sizes and offsets in bytes
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// First address.
    pub address: u64,
    /// How many bytes it takes in memory.
    pub memory_size: u64,
    /// Where its bytes are in the file.
    pub file_offset: u64,
    /// How many bytes the file holds.
    pub file_size: u64,
    /// Mapped executable.
    pub executable: bool,
}

/// One binary, resolved once and shared by its processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BinaryInfo {
    /// `go1.26.8`.
    pub go_version: String,
    /// GNU or Go build id.
    pub build_id: String,
    /// Version of the main module, such as `v1.4.2` or `(devel)`.
    pub module_version: Option<String>,
    /// Where function addresses come from.
    pub symbol_source: String,
    /// Where struct layouts come from.
    pub layout_source: String,
    /// Features that the program uses and that can be attached.
    pub features: Vec<Feature>,
    /// Their sites.
    pub sites: Vec<Site>,
    /// For the kernel side; addresses are those of the file.
    pub offsets: Offsets,
    /// What is loaded of the file.
    pub segments: Vec<Segment>,
    /// Code that matters to who wrote a log line.
    pub writers: Writers,
    /// For the memory reader.
    pub runtime: Option<RuntimeFacts>,
    /// For goroutine profiles.
    pub profile: Option<ProfileFacts>,
    /// What is missing, and why.
    pub unresolved: Vec<UnresolvedReport>,
}

impl BinaryInfo {
    /// Address of the first loaded segment as linked, to find where a process has it.
    #[must_use]
    pub fn base_address(&self) -> u64 {
        let addresses = self.segments.iter().map(|segment| segment.address);
        addresses.min().unwrap_or(0)
    }
}

/// Resolves what the agent needs.
pub(super) fn resolve(binary: &GoBinary<'_>) -> BinaryInfo {
    let layouts = binary.layouts(&wanted_structs());
    let plan = Plan::of(binary, &layouts);
    let mut unresolved = plan.missing();
    let runtime = runtime(binary, &layouts, &mut unresolved);
    let profile = profile(binary, &layouts, &mut unresolved);
    let writers = Writers::of(binary).unwrap_or_else(|missing| {
        unresolved.push(report(&missing));
        Writers::unknown(binary)
    });
    BinaryInfo {
        go_version: binary.go_version().to_string(),
        build_id: binary.build_id().to_owned(),
        module_version: module_version(binary),
        symbol_source: binary.sources().functions.to_string(),
        layout_source: binary.sources().layouts.to_string(),
        features: plan.attached().collect(),
        sites: plan.sites,
        offsets: plan.offsets,
        segments: binary.segments().iter().map(segment).collect(),
        writers,
        runtime,
        profile,
        unresolved,
    }
}

/// Every struct whose layout is needed.
pub(super) fn wanted_structs() -> Vec<&'static str> {
    let wanted: BTreeSet<&str> = offsets::STRUCTS
        .iter()
        .chain(&gc_offsets::STRUCTS)
        .chain(&RUNTIME_STRUCTS)
        .chain(&PROFILE_STRUCTS)
        .copied()
        .collect();
    wanted.into_iter().collect()
}

fn segment(segment: &symbols::Segment) -> Segment {
    Segment {
        address: segment.vaddr,
        memory_size: segment.mem_size,
        file_offset: segment.file_offset,
        file_size: segment.file_size,
        executable: segment.executable,
    }
}

pub(super) fn report(missing: &Unresolved) -> UnresolvedReport {
    UnresolvedReport {
        what: missing.what.clone(),
        reason: missing.reason.to_string(),
    }
}

/// What the memory reader needs; what it misses is noted.
fn runtime(
    binary: &GoBinary<'_>,
    layouts: &symbols::Layouts,
    missing: &mut Vec<UnresolvedReport>,
) -> Option<RuntimeFacts> {
    match RuntimeFacts::from_symbols(binary, layouts) {
        Ok(mut facts) => {
            missing.extend(facts.unresolved.drain(..).map(|fact| report(&fact)));
            Some(facts)
        }
        Err(unresolved) => {
            missing.extend(unresolved.iter().map(report));
            None
        }
    }
}

/// What a goroutine profile needs; what it misses is noted.
fn profile(
    binary: &GoBinary<'_>,
    layouts: &symbols::Layouts,
    missing: &mut Vec<UnresolvedReport>,
) -> Option<ProfileFacts> {
    let (facts, unresolved) = match ProfileFacts::from_symbols(binary, layouts) {
        Ok(mut facts) => {
            let unresolved = std::mem::take(&mut facts.unresolved);
            (Some(facts), unresolved)
        }
        Err(unresolved) => (None, unresolved),
    };
    // The reader of variables needs some of these, too.
    let told = |what: &str, missing: &[UnresolvedReport]| missing.iter().any(|it| it.what == what);
    for fact in unresolved {
        if !told(&fact.what, missing) {
            missing.push(report(&fact));
        }
    }
    facts
}

fn module_version(binary: &GoBinary<'_>) -> Option<String> {
    Some(binary.build_info().main.as_ref()?.version.clone())
}
