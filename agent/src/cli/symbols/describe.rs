//! Facts of one binary, for people and for programs.

use std::collections::BTreeSet;

use serde::Serialize;
use symbols::{GoBinary, Unresolved};

use crate::{
    cli::{CliError, Output},
    discovery::UnresolvedReport,
    probe::Feature,
    resolve::{WANTED, Wanted, wanted_fields},
    runtime::{RUNTIME_FIELDS, RUNTIME_VARIABLES},
};

/// What golens knows of one binary.
#[derive(Debug, Serialize)]
pub(super) struct Description {
    go_version: String,
    main_path: String,
    main_version: Option<String>,
    build_mode: String,
    build_id: String,
    symbol_source: String,
    layout_source: String,
    functions: Vec<FunctionLine>,
    fields: Vec<ValueLine>,
    variables: Vec<ValueLine>,
    unresolved: Vec<UnresolvedReport>,
}

/// A function and the instruction that is probed.
#[derive(Debug, Serialize)]
struct FunctionLine {
    feature: &'static str,
    name: String,
    address: u64,
    size: u64,
    site_address: u64,
    site_file_offset: u64,
    instruction: String,
    provenance: String,
}

/// An offset in bytes, or the address of a variable.
#[derive(Debug, Serialize)]
struct ValueLine {
    what: String,
    value: u64,
    provenance: String,
}

impl Description {
    /// Looks everything up that golens wants of any binary.
    pub(super) fn of(binary: &GoBinary<'_>) -> Self {
        let mut unresolved = Vec::new();
        let (functions, fields, variables) = (
            functions(binary, &mut unresolved),
            fields(binary, &mut unresolved),
            variables(binary, &mut unresolved),
        );
        let info = binary.build_info();
        let sources = binary.sources();
        let stated_mode = info.settings.iter().find(|(key, _)| key == "-buildmode");
        let mode = stated_mode.map_or("exe", |(_, mode)| mode.as_str());
        Self {
            go_version: binary.go_version().to_string(),
            main_path: info.path.clone(),
            main_version: info.main.as_ref().map(|module| module.version.clone()),
            build_mode: if binary.is_pie() && mode == "exe" {
                "pie".to_owned()
            } else {
                mode.to_owned()
            },
            build_id: binary.build_id().to_owned(),
            symbol_source: sources.functions.to_string(),
            layout_source: sources.layouts.to_string(),
            functions,
            fields,
            variables,
            unresolved: unresolved
                .into_iter()
                .map(|missing| UnresolvedReport {
                    what: missing.what,
                    reason: missing.reason.to_string(),
                })
                .collect(),
        }
    }

    /// Prints it for people.
    pub(super) fn print(&self, output: &mut Output) -> Result<(), CliError> {
        output.line(format_args!("go version    {}", self.go_version))?;
        let version = self.main_version.as_deref().unwrap_or("");
        output.line(format_args!("main          {} {version}", self.main_path))?;
        output.line(format_args!(
            "build         {} {}",
            self.build_mode, self.build_id
        ))?;
        output.line(format_args!("functions by  {}", self.symbol_source))?;
        output.line(format_args!("layouts by    {}", self.layout_source))?;
        output.line("")?;
        let rows: Vec<[String; 5]> = self.functions.iter().map(FunctionLine::row).collect();
        output.table(
            ["FEATURE", "FUNCTION", "SITE", "INSTRUCTION", "FROM"],
            &rows,
        )?;
        for (heading, lines) in [("FIELD", &self.fields), ("VARIABLE", &self.variables)] {
            output.line("")?;
            let rows: Vec<[String; 3]> = lines
                .iter()
                .map(|line| {
                    [
                        line.what.clone(),
                        format!("{:#x}", line.value),
                        line.provenance.clone(),
                    ]
                })
                .collect();
            let value = if heading == "FIELD" {
                "OFFSET"
            } else {
                "ADDRESS"
            };
            output.table([heading, value, "FROM"], &rows)?;
        }
        output.line("")?;
        let rows: Vec<[String; 2]> = self
            .unresolved
            .iter()
            .map(|missing| [missing.what.clone(), missing.reason.clone()])
            .collect();
        output.table(["UNRESOLVED", "WHY"], &rows)
    }
}

impl FunctionLine {
    fn row(&self) -> [String; 5] {
        [
            self.feature.to_owned(),
            self.name.clone(),
            format!("{:#x}", self.site_address),
            self.instruction.clone(),
            self.provenance.clone(),
        ]
    }
}

fn functions(binary: &GoBinary<'_>, unresolved: &mut Vec<Unresolved>) -> Vec<FunctionLine> {
    let look_up = |wanted: &Wanted| {
        function(binary, wanted, wanted.function).or_else(|missing| {
            let mut former = wanted.formerly.iter();
            former
                .find_map(|name| function(binary, wanted, name).ok())
                .ok_or(missing)
        })
    };
    collect(WANTED.iter().map(look_up), unresolved)
}

fn function(
    binary: &GoBinary<'_>,
    wanted: &Wanted,
    name: &str,
) -> Result<FunctionLine, Unresolved> {
    let function = binary.function(name)?;
    let site = binary.probe_site(&function)?;
    Ok(FunctionLine {
        feature: Feature::of(wanted.program).name(),
        name: name.to_owned(),
        address: function.address,
        size: function.size,
        site_address: site.address,
        site_file_offset: site.file_offset,
        instruction: site.instruction,
        provenance: function.provenance.to_string(),
    })
}

fn fields(binary: &GoBinary<'_>, unresolved: &mut Vec<Unresolved>) -> Vec<ValueLine> {
    let runtime = RUNTIME_FIELDS
        .into_iter()
        .flat_map(|(structure, paths)| paths.iter().map(move |path| (structure, *path)));
    let wanted: BTreeSet<(&str, &str)> = wanted_fields().chain(runtime).collect();
    let structures: Vec<&str> = wanted.iter().map(|(structure, _)| *structure).collect();
    let layouts = binary.layouts(&structures);
    let look_up = |(structure, path): (&str, &str)| {
        let mut last = None;
        for name in path.split('|') {
            match layouts.field(structure, name) {
                Ok(fact) => {
                    return Ok(Some(ValueLine {
                        what: format!("{structure}.{name}"),
                        value: u64::from(fact.value),
                        provenance: fact.provenance.to_string(),
                    }));
                }
                Err(missing) => last = Some(missing),
            }
        }
        last.map_or(Ok(None), Err)
    };
    let mut lines = collect(wanted.into_iter().map(look_up), unresolved);
    // One name may answer for two.
    lines.dedup_by(|next, line| {
        next.as_ref().map(|line| &line.what) == line.as_ref().map(|line| &line.what)
    });
    lines.into_iter().flatten().collect()
}

fn variables(binary: &GoBinary<'_>, unresolved: &mut Vec<Unresolved>) -> Vec<ValueLine> {
    let look_up = |name: &str| {
        let fact = binary.variable(name)?;
        Ok(ValueLine {
            what: name.to_owned(),
            value: fact.value.address,
            provenance: fact.provenance.to_string(),
        })
    };
    collect(RUNTIME_VARIABLES.into_iter().map(look_up), unresolved)
}

fn collect<T>(
    found: impl Iterator<Item = Result<T, Unresolved>>,
    unresolved: &mut Vec<Unresolved>,
) -> Vec<T> {
    found
        .filter_map(|result| result.map_err(|missing| unresolved.push(missing)).ok())
        .collect()
}
