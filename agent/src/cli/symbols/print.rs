//! The truth report for people, readable in 100 columns.

use std::collections::BTreeMap;

use crate::{
    cli::{CliError, Output},
    resolve::{
        Report,
        report::{
            AfterCallFact, Attach, FeatureFact, FieldFact, FileFacts, FunctionFact, MissingFact,
        },
    },
};

/// Settings that change code, layouts or identity; `--json` has all of them.
const SETTINGS: [&str; 12] = [
    "-buildmode",
    "-compiler",
    "-gcflags",
    "-ldflags",
    "-pgo",
    "-race",
    "-tags",
    "-trimpath",
    "CGO_ENABLED",
    "GOAMD64",
    "GOEXPERIMENT",
    "vcs.revision",
];

/// Prints a report.
pub(super) fn report(name: &str, report: &Report, output: &mut Output) -> Result<(), CliError> {
    file(name, report, output)?;
    output.line("")?;
    features(&report.features, output)?;
    functions(&report.functions, output)?;
    after_calls(&report.after_calls, output)?;
    fields(&report.fields, output)?;
    variables(report, output)?;
    unresolved(&report.unresolved, output)
}

fn file(name: &str, report: &Report, output: &mut Output) -> Result<(), CliError> {
    let file = &report.file;
    let mut line = |what: &str, value: &str| output.line(format!("{what:<14}{value}").trim_end());
    line("file", &format!("{name}, {} bytes", file.size))?;
    line("go", &format!("{} linux/{}", file.go_version, file.machine))?;
    let version = file.main_version.as_deref().unwrap_or("");
    line("main", format!("{} {version}", file.main_path).trim_end())?;
    line("build", &build(file))?;
    let id = match file.build_id.as_str() {
        "" => "none",
        id => id,
    };
    line("build id", id)?;
    line("modules", &file.modules.to_string())?;
    for setting in &file.settings {
        if SETTINGS.contains(&setting.key.as_str()) {
            line("setting", &format!("{}={}", setting.key, setting.value))?;
        }
    }
    line("stripped", stripped(file))?;
    if let Some(reason) = &file.debug_information_unread {
        line("debugging", &format!("information is not used: {reason}"))?;
    }
    line("functions by", &report.sources.functions)?;
    line("layouts by", &report.sources.layouts)
}

fn build(file: &FileFacts) -> String {
    let Some(build) = &file.build else {
        return "unknown, see below".to_owned();
    };
    let linked = if build.is_static { "static" } else { "dynamic" };
    let mut words = vec![build.mode.as_str(), linked];
    words.extend(build.cgo.then_some("cgo"));
    words.extend(build.race.then_some("race detector"));
    words.push(&build.modules);
    words.join(", ")
}

fn stripped(file: &FileFacts) -> &'static str {
    match (file.symbol_table, file.debug_information) {
        (true, true) => "no",
        (true, false) => "of debugging information",
        (false, true) => "of the symbol table",
        (false, false) => "of symbol table and debugging information",
    }
}

fn features(features: &[FeatureFact], output: &mut Output) -> Result<(), CliError> {
    output.line(format_args!("{:<11}{:<12}WHY", "FEATURE", "ATTACHED"))?;
    for feature in features {
        let attached = match feature.attach {
            Attach::Yes if feature.feature == "runtime" => "read",
            Attach::Yes => "yes",
            Attach::InWindows => "in windows",
            Attach::OnDemand => "on demand",
            Attach::NotUsed => "not used",
            Attach::No => "no",
        };
        let start = format!("{:<11}{attached:<12}", feature.feature);
        let mut reasons = by_reason(&feature.why).into_iter();
        let first = reasons.next().map_or(String::new(), summary);
        output.line(format!("{start}{first}").trim_end())?;
        for reason in reasons {
            output.line(format_args!("{:23}{}", "", summary(reason)))?;
        }
    }
    Ok(())
}

/// Names one fact, and counts the others that are unknown for the same reason.
fn summary((reason, missing): (&str, Vec<&str>)) -> String {
    let first = missing.first().copied().unwrap_or_default();
    match missing.len() {
        0 | 1 => format!("{first}: {reason}"),
        more => format!("{first} and {} more: {reason}", more - 1),
    }
}

fn functions(functions: &[FunctionFact], output: &mut Output) -> Result<(), CliError> {
    heading("FUNCTIONS", functions.is_empty(), output)?;
    for function in functions {
        output.line(format_args!("{:<11}{}", function.feature, function.name))?;
        let from = format!("{}, {}", function.provenance, function.confidence);
        let (address, size) = (function.address, function.size);
        output.line(format_args!("{:11}{address:#x}, {size} bytes ({from})", ""))?;
        let site = match (&function.site, &function.why) {
            (Some(site), _) => format!(
                "probe at {:#x} (file {:#x}): {}",
                site.address, site.file_offset, site.instruction
            ),
            (None, why) => format!("no probe: {}", why.as_deref().unwrap_or_default()),
        };
        output.line(format_args!("{:11}{site}", ""))?;
        output.line(format_args!("{:11}{}", "", copies(function)))?;
    }
    Ok(())
}

fn copies(function: &FunctionFact) -> String {
    let count = |number: Option<u64>| number.map_or("unknown".to_owned(), |n| n.to_string());
    format!(
        "returns: {}, inlined copies: {}",
        count(function.returns.map(|returns| returns as u64)),
        count(function.inlined_copies.map(u64::from))
    )
}

fn after_calls(after: &[AfterCallFact], output: &mut Output) -> Result<(), CliError> {
    heading("AFTER CALLS", after.is_empty(), output)?;
    for pair in after {
        output.line(format_args!("{} in {}", pair.callee, pair.caller))?;
        for call in &pair.calls {
            let results = call.results.iter();
            let places: Vec<&str> = results
                .map(|place| place.as_deref().unwrap_or("lost"))
                .collect();
            output.line(format_args!(
                "{:11}call at {:#x}, probe at {:#x} (file {:#x}): {}; results: {}",
                "",
                call.address,
                call.site.address,
                call.site.file_offset,
                call.site.instruction,
                places.join(", ")
            ))?;
        }
        if let Some(why) = &pair.why {
            output.line(format_args!("{:11}no probe: {why}", ""))?;
        }
    }
    Ok(())
}

fn fields(fields: &[FieldFact], output: &mut Output) -> Result<(), CliError> {
    heading("FIELDS", fields.is_empty(), output)?;
    let mut structure = "";
    for field in fields {
        if field.structure != structure {
            structure = &field.structure;
            output.line(structure)?;
        }
        let from = format!("{}, {}", field.provenance, field.confidence);
        output.line(format_args!(
            "  {:<32}{:<9}{from}",
            field.field, field.offset
        ))?;
    }
    Ok(())
}

fn variables(report: &Report, output: &mut Output) -> Result<(), CliError> {
    heading("VARIABLES", report.variables.is_empty(), output)?;
    for variable in &report.variables {
        let from = format!("{}, {}", variable.provenance, variable.confidence);
        output.line(format_args!(
            "  {:<32}{:<12}{from}",
            variable.name,
            format!("{:#x}", variable.address)
        ))?;
    }
    Ok(())
}

fn unresolved(unresolved: &[MissingFact], output: &mut Output) -> Result<(), CliError> {
    heading("UNRESOLVED", unresolved.is_empty(), output)?;
    for (reason, missing) in by_reason(unresolved) {
        output.line(reason)?;
        for what in missing {
            output.line(format_args!("  {what}"))?;
        }
    }
    Ok(())
}

/// Nothing for an empty part.
fn heading(text: &str, empty: bool, output: &mut Output) -> Result<(), CliError> {
    if empty {
        return Ok(());
    }
    output.line("")?;
    output.line(text)
}

fn by_reason(missing: &[MissingFact]) -> BTreeMap<&str, Vec<&str>> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for fact in missing {
        reasons.entry(&fact.reason).or_default().push(&fact.what);
    }
    reasons
}
