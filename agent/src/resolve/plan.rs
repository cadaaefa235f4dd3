//! What will be attached to a binary's processes, and why the rest will not.

use agent_ebpf::{counter::Program, offsets::Offsets};
use symbols::{
    Fact, Function, GoBinary, Layouts, Machine, Place, ProbeSite, Reason, SiteKind, Unresolved,
};

use super::{
    Site,
    binary::report,
    offsets::{self, Filled},
    sites::{AfterCall, WANTED, call_of},
};
use crate::{discovery::UnresolvedReport, probe::Feature};

/// The decision for every feature.
#[derive(Debug)]
pub(super) struct Plan {
    /// In the order of [`Feature::ALL`].
    pub(super) verdicts: Vec<(Feature, Verdict)>,
    /// Sites of the features that are attached.
    pub(super) sites: Vec<Site>,
    /// For the kernel side; addresses are those of the file.
    pub(super) offsets: Offsets,
    /// What features that are attached nevertheless lack.
    pub(super) notes: Vec<(Feature, Unresolved)>,
}

/// What becomes of one feature.
#[derive(Debug)]
pub(super) enum Verdict {
    /// All it needs is known.
    Attach,
    /// The program does not contain its functions.
    Absent,
    /// The program contains it, and something it needs is unknown.
    Off(Vec<Unresolved>),
}

impl Plan {
    /// Decides what to do with a binary whose wanted layouts were read.
    pub(super) fn of(binary: &GoBinary<'_>, layouts: &Layouts) -> Self {
        let (mut sites, mut notes) = (Vec::new(), Vec::new());
        let mut verdicts: Vec<(Feature, Verdict)> = Feature::ALL
            .into_iter()
            .map(|feature| {
                let mut noted = Vec::new();
                let (found, verdict) = feature_sites(binary, feature, &mut noted);
                sites.extend(found);
                notes.extend(noted.into_iter().map(|note| (feature, note)));
                (feature, verdict)
            })
            .collect();
        let Filled {
            mut offsets,
            off,
            notes: lacking,
        } = offsets::fill(binary, layouts, &attached(&verdicts));
        notes.extend(lacking);
        for (feature, missing) in off {
            sites.retain(|site| Feature::of(site.program) != feature);
            for (_, verdict) in verdicts.iter_mut().filter(|(other, _)| *other == feature) {
                *verdict = Verdict::Off(vec![missing.clone()]);
            }
        }
        for site in &sites {
            let place = match site.program {
                Program::GoroutineBorn => &mut offsets.new_g_register,
                Program::CoroutineBorn => &mut offsets.new_coroutine_register,
                _ => continue,
            };
            if let Some(Ok((_, register))) = call_of(site.program).map(|call| behind(binary, call))
            {
                *place = register;
            }
        }
        for site in sites.iter().filter(|site| site.is_branch) {
            offsets.jbe_programs |= 1 << (site.program as u32);
        }
        Self {
            verdicts,
            sites,
            offsets,
            notes,
        }
    }

    /// Features that are attached.
    pub(super) fn attached(&self) -> impl Iterator<Item = Feature> {
        attached(&self.verdicts).into_iter()
    }

    /// What is missing for the features that are off, and what the others lack.
    pub(super) fn missing(&self) -> Vec<UnresolvedReport> {
        let off = self.verdicts.iter().flat_map(|(feature, verdict)| {
            let missing = match verdict {
                Verdict::Off(missing) => missing.as_slice(),
                Verdict::Attach | Verdict::Absent => &[],
            };
            missing.iter().map(|missing| (*feature, missing))
        });
        let notes = self.notes.iter().map(|(feature, note)| (*feature, note));
        off.chain(notes)
            .map(|(feature, missing)| UnresolvedReport {
                what: format!("{} (for {})", missing.what, feature.name()),
                ..report(missing)
            })
            .collect()
    }
}

fn attached(verdicts: &[(Feature, Verdict)]) -> Vec<Feature> {
    verdicts
        .iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Attach))
        .map(|(feature, _)| *feature)
        .collect()
}

/// The sites of a feature, if each of its programs has one.
fn feature_sites(
    binary: &GoBinary<'_>,
    feature: Feature,
    notes: &mut Vec<Unresolved>,
) -> (Vec<Site>, Verdict) {
    let mut sites = Vec::new();
    let mut missing = Vec::new();
    let mut complete = true;
    for &program in feature.programs() {
        match program_site(binary, program) {
            Ok(site) => sites.push(site),
            Err(reasons) => {
                complete = false;
                missing.extend(reasons);
            }
        }
    }
    if let (true, Err(library)) = (complete, is_program(binary)) {
        (Vec::new(), Verdict::Off(vec![library]))
    } else if complete {
        for &program in feature.extra_programs() {
            match program_site(binary, program) {
                Ok(site) => sites.push(site),
                // It joins in where the program contains it.
                Err(missing) => notes.extend(missing.into_iter().filter(|one| !one.is_absent())),
            }
        }
        (sites, Verdict::Attach)
    } else if sites.is_empty() && missing.iter().all(Unresolved::is_absent) {
        // A program without the package is no problem; half a feature is.
        (Vec::new(), Verdict::Absent)
    } else {
        (Vec::new(), Verdict::Off(missing))
    }
}

/// Golens looks at executables; a library shows in none of them.
pub(super) fn is_program(binary: &GoBinary<'_>) -> Result<(), Unresolved> {
    match binary.build_mode() {
        Ok(mode) if mode.is_library() => Err(Unresolved {
            what: "the program".to_owned(),
            reason: Reason::Library { mode },
        }),
        _ => Ok(()),
    }
}

/// The site of a program: in the first of its functions that the binary has, for some were renamed.
fn program_site(binary: &GoBinary<'_>, program: Program) -> Result<Site, Vec<Unresolved>> {
    let wanted = WANTED.iter().filter(|wanted| wanted.program == program);
    let names = wanted.flat_map(|wanted| std::iter::once(&wanted.function).chain(wanted.formerly));
    let mut problems = Vec::new();
    for name in names {
        match site(binary, program, name) {
            Ok(site) => return Ok(site),
            // A release has one of the names; where it has a newer one, the older means something else.
            Err(problem) => {
                let absent = problem.is_absent();
                problems.push(problem);
                if !absent {
                    break;
                }
            }
        }
    }
    Err(problems)
}

fn site(binary: &GoBinary<'_>, program: Program, name: &str) -> Result<Site, Unresolved> {
    let function = binary.function(name)?;
    let unresolved = |reason| Unresolved {
        what: name.to_owned(),
        reason,
    };
    if binary.machine() != Machine::Amd64 {
        // The programs read arguments from the registers of amd64.
        return Err(unresolved(Reason::UnsupportedMachine));
    }
    // A probe that misses some of the calls counts wrongly; one that may miss some, too.
    match binary.inlined_copies(&function.name) {
        Ok(Fact { value: 0, .. }) => {}
        Ok(Fact { value: copies, .. }) => {
            return Err(unresolved(Reason::PartlyInlined { copies }));
        }
        Err(unknown) => {
            return Err(Unresolved {
                what: format!("inlined copies of {name}"),
                ..unknown
            });
        }
    }
    let site = place(binary, program, &function)?;
    Ok(Site {
        program,
        function: name.to_owned(),
        address: site.address,
        file_offset: site.file_offset,
        is_branch: site.kind == SiteKind::Jbe,
        instruction: site.instruction,
    })
}

/// The instruction of its function on which a program sits.
pub(super) fn place(
    binary: &GoBinary<'_>,
    program: Program,
    function: &Function,
) -> Result<ProbeSite, Unresolved> {
    match call_of(program) {
        Some(call) => behind(binary, call).map(|(site, _)| site),
        None => binary.probe_site(function),
    }
}

/// The place behind the only call of one function in another, and the register that holds its result there.
fn behind(
    binary: &GoBinary<'_>,
    (caller, callee, results): AfterCall,
) -> Result<(ProbeSite, u32), Unresolved> {
    let (caller, callee) = (binary.function(caller)?, binary.function(callee)?);
    let mut calls = binary.after_calls(&caller, &callee, results)?;
    let only = calls.pop().filter(|_| calls.is_empty());
    let found = only.and_then(|call| match call.results.first() {
        Some(Some(Place::Register(register))) => Some((call.site, u32::from(register.number))),
        _ => None,
    });
    found.ok_or_else(|| Unresolved {
        what: caller.name,
        reason: Reason::UnsupportedVersion {
            what: "place of the result",
            version: binary.go_version().to_string(),
        },
    })
}
