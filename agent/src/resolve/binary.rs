//! Everything the agent knows of one binary.

use agent_ebpf::{counter::Program, offsets::Offsets};
use symbols::{GoBinary, Machine, Reason, SiteKind, Unresolved};

use super::{Writers, offsets, sites::WANTED};
use crate::{
    discovery::UnresolvedReport,
    probe::Feature,
    runtime::{RUNTIME_STRUCTS, RuntimeFacts},
};

/// A place to attach a program to.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// One binary, resolved once and shared by its processes.
#[derive(Debug)]
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
    /// Address of the first loaded segment in the file, to find where a process has it.
    pub base_address: u64,
    /// Code that matters to who wrote a log line.
    pub writers: Writers,
    /// For the memory reader.
    pub runtime: Option<RuntimeFacts>,
    /// What is missing, and why.
    pub unresolved: Vec<UnresolvedReport>,
}

/// Why a binary is no target.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The bytes are no Go program that golens can read.
    #[error(transparent)]
    Symbols(#[from] symbols::Error),
}

impl ResolveError {
    /// Bounded word for metrics and logs.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Symbols(error) => error.error_type(),
        }
    }
}

/// Resolves the binary in `bytes`. Takes tens of milliseconds: call it off the event loop.
///
/// # Errors
/// When the bytes are no Go program, or one too old.
pub fn resolve(bytes: &[u8]) -> Result<BinaryInfo, ResolveError> {
    let binary = GoBinary::parse(bytes)?;
    let mut unresolved = Vec::new();
    let (found, sites) = sites(&binary, &mut unresolved);
    let wanted: Vec<&str> = offsets::STRUCTS
        .iter()
        .chain(&RUNTIME_STRUCTS)
        .copied()
        .collect();
    let layouts = binary.layouts(&wanted);
    let (mut offsets, off) = offsets::fill(&binary, &layouts, &found);
    let features: Vec<Feature> = found
        .into_iter()
        .filter(|feature| !off.iter().any(|(other, _)| other == feature))
        .collect();
    unresolved.extend(off.iter().map(|(feature, missing)| UnresolvedReport {
        what: format!("{} (for {})", missing.what, feature.name()),
        reason: missing.reason.to_string(),
    }));
    for site in sites.iter().filter(|site| site.is_branch) {
        offsets.jbe_programs |= 1 << (site.program as u32);
    }
    let runtime = runtime(&binary, &layouts, &mut unresolved);
    Ok(BinaryInfo {
        go_version: binary.go_version().to_string(),
        build_id: binary.build_id().to_owned(),
        module_version: module_version(&binary),
        symbol_source: binary.sources().functions.to_string(),
        layout_source: binary.sources().layouts.to_string(),
        sites: sites
            .into_iter()
            .filter(|site| features.contains(&Feature::of(site.program)))
            .collect(),
        features,
        offsets,
        base_address: binary
            .segments()
            .iter()
            .map(|segment| segment.vaddr)
            .min()
            .unwrap_or(0),
        writers: Writers::of(&binary),
        runtime,
        unresolved,
    })
}

/// Features whose programs all have a site, and those sites.
fn sites(binary: &GoBinary<'_>, missing: &mut Vec<UnresolvedReport>) -> (Vec<Feature>, Vec<Site>) {
    let mut features = Vec::new();
    let mut all = Vec::new();
    for feature in Feature::ALL {
        let mut sites = Vec::new();
        let mut reasons = Vec::new();
        let mut complete = true;
        for &program in feature.programs() {
            let (found, problems) = program_site(binary, program);
            complete &= found.is_some();
            sites.extend(found);
            reasons.extend(problems);
        }
        for &program in feature.extra_programs() {
            sites.extend(program_site(binary, program).0);
        }
        if complete {
            features.push(feature);
            all.extend(sites);
        } else if !sites.is_empty() || reasons.iter().any(|problem| !problem.is_absent()) {
            // A program without the package is no problem; half a feature is.
            missing.extend(reasons.iter().map(report));
        }
    }
    (features, all)
}

/// The site of a program: in the first of its functions that the binary has, for some were renamed.
fn program_site(binary: &GoBinary<'_>, program: Program) -> (Option<Site>, Vec<Unresolved>) {
    let Some(wanted) = WANTED.iter().find(|wanted| wanted.program == program) else {
        return Default::default();
    };
    let names = std::iter::once(&wanted.function).chain(wanted.formerly);
    let mut problems = Vec::new();
    for name in names {
        match site(binary, program, name) {
            Ok(site) => return (Some(site), problems),
            Err(problem) => problems.push(problem),
        }
    }
    (None, problems)
}

fn site(binary: &GoBinary<'_>, program: Program, name: &str) -> Result<Site, Unresolved> {
    let function = binary.function(name)?;
    if binary.machine() != Machine::Amd64 {
        // The programs read arguments from the registers of amd64.
        return Err(Unresolved {
            what: name.to_owned(),
            reason: Reason::UnsupportedMachine,
        });
    }
    let site = binary.probe_site(&function)?;
    Ok(Site {
        program,
        function: name.to_owned(),
        address: site.address,
        file_offset: site.file_offset,
        instruction: site.instruction,
        is_branch: site.kind == SiteKind::Jbe,
    })
}

fn report(missing: &Unresolved) -> UnresolvedReport {
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
        Ok(facts) => {
            missing.extend(facts.unresolved.iter().map(report));
            Some(facts)
        }
        Err(unresolved) => {
            missing.extend(unresolved.iter().map(report));
            None
        }
    }
}

fn module_version(binary: &GoBinary<'_>) -> Option<String> {
    Some(binary.build_info().main.as_ref()?.version.clone())
}
