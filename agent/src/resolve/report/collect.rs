//! Looks up everything golens wants of any binary, and says what follows from it.

use std::collections::BTreeSet;

use symbols::{
    AfterCall, FunctionSource, GoBinary, LayoutSource, Layouts, Machine, Place, ProbeSite, Reason,
    Unresolved,
};

use super::{
    AfterCallFact, Attach, BuildFact, CallFact, FeatureFact, FieldFact, FileFacts, FunctionFact,
    MissingFact, Report, Setting, SiteFact, SourceNames, VariableFact,
};
use crate::{
    probe::Feature,
    resolve::{
        Plan, Verdict, WANTED, Wanted, binary::wanted_structs, offsets::wanted_fields,
        sites::AFTER_CALLS,
    },
    runtime::{self, RuntimeFacts},
};

/// Variables beside those of the memory reader: the kernel side reads GC phases.
const FURTHER_VARIABLES: [&str; 1] = ["runtime.work"];

impl Report {
    /// Reports on a binary of `size` bytes.
    pub(in crate::resolve) fn of(binary: &GoBinary<'_>, size: u64) -> Self {
        let layouts = binary.layouts(&wanted_structs());
        let plan = Plan::of(binary, &layouts);
        let mut missing = BTreeSet::new();
        let file = file(binary, &layouts, size, &mut missing);
        let functions = functions(binary, &mut missing);
        let fields = fields(&layouts, binary.go_version().minor, &mut missing);
        let variables = variables(binary, &mut missing);
        let mut features: Vec<FeatureFact> = plan
            .verdicts
            .iter()
            .map(|decided| feature(decided, &plan.notes))
            .collect();
        features.push(memory_reader(binary, &layouts));
        let sources = binary.sources();
        Self {
            file,
            sources: SourceNames {
                functions: sources.functions.to_string(),
                layouts: sources.layouts.to_string(),
            },
            features,
            functions,
            after_calls: AFTER_CALLS.map(|wanted| after_call(binary, wanted)).into(),
            fields,
            variables,
            unresolved: missing.into_iter().collect(),
        }
    }
}

fn file(
    binary: &GoBinary<'_>,
    layouts: &Layouts,
    size: u64,
    lost: &mut BTreeSet<MissingFact>,
) -> FileFacts {
    let build = keep(binary.build(), lost);
    let info = binary.build_info();
    let sources = binary.sources();
    FileFacts {
        size,
        go_version: binary.go_version().to_string(),
        machine: match binary.machine() {
            Machine::Amd64 => "amd64".to_owned(),
            Machine::Arm64 => "arm64".to_owned(),
        },
        build: build.map(|build| BuildFact {
            mode: build.mode.to_string(),
            is_static: build.is_static,
            cgo: build.cgo,
            race: build.race,
            modules: build.modules.to_string(),
        }),
        position_independent: binary.is_pie(),
        build_id: binary.build_id().to_owned(),
        main_path: info.path.clone(),
        main_module: info.main.as_ref().map(|module| module.path.clone()),
        main_version: info.main.as_ref().map(|module| module.version.clone()),
        modules: info.deps.len(),
        settings: info
            .settings
            .iter()
            .map(|(key, value)| Setting {
                key: key.clone(),
                value: value.clone(),
            })
            .collect(),
        symbol_table: sources.functions == FunctionSource::Symtab,
        debug_information: binary.has_debug_information(),
        debug_information_unread: unread(binary, layouts),
    }
}

/// Why debugging information that is there told nothing.
fn unread(binary: &GoBinary<'_>, layouts: &Layouts) -> Option<String> {
    /// In no binary, so that the reason is not about one struct.
    const NOTHING: &str = "golens.nothing";
    let used = matches!(
        layouts.source(),
        LayoutSource::Dwarf4 | LayoutSource::Dwarf5
    );
    if used || !binary.has_debug_information() {
        return None;
    }
    match binary.layouts(&[NOTHING]).size(NOTHING).err()?.reason {
        Reason::NotFound | Reason::NoDescriptor => {
            Some("it does not describe the Go code".to_owned())
        }
        reason => Some(reason.to_string()),
    }
}

/// A feature that is attached may lack something all the same.
fn feature(
    (feature, verdict): &(Feature, Verdict),
    notes: &[(Feature, Unresolved)],
) -> FeatureFact {
    let (attach, off) = match verdict {
        Verdict::Attach if feature.windowed() => (Attach::InWindows, &[][..]),
        Verdict::Attach => (Attach::Yes, &[][..]),
        Verdict::Absent => (Attach::NotUsed, &[][..]),
        Verdict::Off(missing) => (Attach::No, missing.as_slice()),
    };
    let lacking = notes.iter().filter(|(other, _)| other == feature);
    let why = off.iter().chain(lacking.map(|(_, note)| note));
    FeatureFact {
        feature: feature.name().to_owned(),
        attach,
        why: why.map(missing).collect(),
    }
}

/// Whether the runtime's memory can be read.
fn memory_reader(binary: &GoBinary<'_>, layouts: &Layouts) -> FeatureFact {
    let (attach, why) = match RuntimeFacts::from_symbols(binary, layouts) {
        Ok(facts) => (Attach::Yes, facts.unresolved),
        Err(unresolved) => (Attach::No, unresolved),
    };
    FeatureFact {
        feature: "runtime".to_owned(),
        attach,
        why: why.iter().map(missing).collect(),
    }
}

fn functions(binary: &GoBinary<'_>, lost: &mut BTreeSet<MissingFact>) -> Vec<FunctionFact> {
    let mut wanted = WANTED;
    wanted.sort_by_key(|wanted| (Feature::of(wanted.program), wanted.program));
    let mut found = Vec::new();
    for wanted in &wanted {
        match function(binary, wanted, lost) {
            Ok(fact) => found.push(fact),
            Err(unresolved) => drop(lost.insert(missing(&unresolved))),
        }
    }
    found
}

/// The function of a program under the first name that this binary has.
fn function(
    binary: &GoBinary<'_>,
    wanted: &Wanted,
    lost: &mut BTreeSet<MissingFact>,
) -> Result<FunctionFact, Unresolved> {
    let function = binary.function(wanted.function).or_else(|missing| {
        let mut former = wanted.formerly.iter();
        former
            .find_map(|name| binary.function(name).ok())
            .ok_or(missing)
    })?;
    let program = wanted.program;
    let feature = Feature::of(program);
    let (place, why) = match binary.probe_site(&function) {
        Ok(found) => (Some(site(found)), None),
        Err(unresolved) => (None, Some(unresolved.reason.to_string())),
    };
    let returns = keep(binary.returns(&function), lost);
    let copies = keep(binary.inlined_copies(&function.name), lost);
    Ok(FunctionFact {
        feature: feature.name().to_owned(),
        program: program.name().to_owned(),
        required: feature.programs().contains(&program),
        name: function.name,
        address: function.address,
        size: function.size,
        provenance: function.provenance.to_string(),
        confidence: function.provenance.confidence().to_string(),
        site: place,
        why,
        returns: returns.map(|addresses| addresses.len()),
        inlined_copies: copies.map(|fact| fact.value),
    })
}

fn site(site: ProbeSite) -> SiteFact {
    SiteFact {
        address: site.address,
        file_offset: site.file_offset,
        instruction: site.instruction,
        kind: site.kind.to_string(),
    }
}

/// A fact, or its absence noted.
fn keep<T>(found: Result<T, Unresolved>, lost: &mut BTreeSet<MissingFact>) -> Option<T> {
    let noted = found.map_err(|unresolved| lost.insert(missing(&unresolved)));
    noted.ok()
}

fn after_call(binary: &GoBinary<'_>, wanted: (&str, &str, usize)) -> AfterCallFact {
    let (caller, callee, results) = wanted;
    let found = binary.function(caller).and_then(|body| {
        let called = binary.function(callee)?;
        binary.after_calls(&body, &called, results)
    });
    let (calls, why) = match found {
        Ok(calls) => (calls.into_iter().map(call).collect(), None),
        Err(unresolved) => (Vec::new(), Some(unresolved.to_string())),
    };
    AfterCallFact {
        caller: caller.to_owned(),
        callee: callee.to_owned(),
        calls,
        why,
    }
}

fn call(found: AfterCall) -> CallFact {
    let place = |place: Option<Place>| place.map(|place| place.to_string());
    CallFact {
        address: found.call,
        site: site(found.site),
        results: found.results.into_iter().map(place).collect(),
    }
}

fn fields(layouts: &Layouts, minor: u32, lost: &mut BTreeSet<MissingFact>) -> Vec<FieldFact> {
    let wanted: BTreeSet<(&str, &str)> = wanted_fields()
        .chain(runtime::wanted_fields(minor))
        .collect();
    let mut found: Vec<FieldFact> = Vec::new();
    for (structure, paths) in wanted {
        match field(layouts, structure, paths) {
            // One name may answer for two.
            Ok(fact) if found.last() == Some(&fact) => {}
            Ok(fact) => found.push(fact),
            Err(unresolved) => drop(lost.insert(missing(&unresolved))),
        }
    }
    found
}

/// A field; of names with `|` between them, a release has one.
fn field(layouts: &Layouts, structure: &str, paths: &str) -> Result<FieldFact, Unresolved> {
    let (first, others) = paths.split_once('|').unwrap_or((paths, ""));
    let fact = |path: &str| {
        let fact = layouts.field(structure, path)?;
        Ok(FieldFact {
            structure: structure.to_owned(),
            field: path.to_owned(),
            offset: fact.value,
            provenance: fact.provenance.to_string(),
            confidence: fact.provenance.confidence().to_string(),
        })
    };
    fact(first).or_else(|missing| {
        let mut others = others.split('|').filter(|path| !path.is_empty());
        others.find_map(|path| fact(path).ok()).ok_or(missing)
    })
}

fn variables(binary: &GoBinary<'_>, lost: &mut BTreeSet<MissingFact>) -> Vec<VariableFact> {
    let mut found = Vec::new();
    let minor = binary.go_version().minor;
    let wanted: BTreeSet<&str> = runtime::wanted_variables(minor)
        .chain(FURTHER_VARIABLES)
        .collect();
    for name in wanted {
        match binary.variable(name) {
            Ok(fact) => found.push(VariableFact {
                name: name.to_owned(),
                address: fact.value.address,
                size: fact.value.size,
                provenance: fact.provenance.to_string(),
                confidence: fact.provenance.confidence().to_string(),
            }),
            Err(unresolved) => drop(lost.insert(missing(&unresolved))),
        }
    }
    found
}

fn missing(unresolved: &Unresolved) -> MissingFact {
    MissingFact {
        what: unresolved.what.clone(),
        reason: unresolved.reason.to_string(),
        error_type: unresolved.error_type().to_owned(),
    }
}
