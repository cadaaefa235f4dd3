//! Writes the reference tables of `symbols` from real toolchains and modules.

mod builds;
mod modules;
mod releases;
mod rows;
mod tables;

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use self::{builds::Builds, tables::Tables};
use crate::{
    build::cargo,
    paths::Paths,
    run::{output, run as run_command, say, step},
};

/// Options of `cargo xtask codegen`.
#[derive(Args)]
#[command(after_help = "\
Stripped binaries do not say where the runtime's variables are, nor how the structs of these variables are laid
out. Builds of the same release with symbols do. This command builds a small program with each release and writes
what its symbols and debugging information say to symbols/data, which is committed and compiled into golens:

  structs.txt     struct layouts, each once
  releases.txt    for each release and machine, which of them are its own
  modules.txt     the same for versions of grpc-go and x/net
  signatures.txt  for code of runtime functions, which variables it names

The first run builds about 750 programs, one release after the other, in an hour or two; a release that
was built before takes a second. Toolchains that were not there before are removed again. A run that is stopped
goes on where it was. Built programs are kept in $GOLENS_CACHE/codegen (about 1 GB); remove it to build them anew.

  cargo xtask codegen --releases go1.28.0       adds a release
  cargo xtask codegen --check --releases go1.26.8    are the committed tables what this release says?
  cargo xtask codegen --modules google.golang.org/grpc@v1.84.0    adds a module version")]
pub(crate) struct Options {
    /// Only these releases, such as go1.26.8; `none` for none [default: all that the Go proxy offers].
    #[arg(long, visible_alias = "versions", value_delimiter = ',')]
    releases: Vec<String>,
    /// Only these module versions, as path@version; `none` for none [default: all tagged versions].
    #[arg(long, value_delimiter = ',')]
    modules: Vec<String>,
    /// Writes nothing; fails when the committed tables are not what the toolchains say.
    #[arg(long)]
    check: bool,
}

/// Regenerates or checks the tables.
///
/// # Errors
/// When a program cannot be built or read, two builds contradict each other, or a check finds a difference.
pub(crate) fn run(paths: &Paths, options: &Options) -> Result<()> {
    let reader = step("build the reader of reference programs", || reader(paths))?;
    let builds = Builds::new(paths.cache.join("codegen"), reader)?;
    let directory = paths.root.join("symbols/data");
    let mut tables = Tables::read(&directory)?;
    let committed = tables.clone();
    // A check of some releases says nothing of modules, and the other way round.
    let lists = [&options.releases, &options.modules];
    let named = lists.into_iter().flatten().any(|name| name != "none");
    let everything = options.releases.is_empty();
    for release in wanted(&options.releases, named, || releases::all(&builds))? {
        if everything && !releases::is_offered(&builds, &release)? {
            continue;
        }
        releases::add(&builds, &release, &mut tables)
            .with_context(|| format!("reference programs of {release}"))?;
        save(options, &tables, &directory)?;
    }
    for module in wanted(&options.modules, named, || modules::all(&builds))? {
        modules::add(&builds, &module, &mut tables).with_context(|| module.clone())?;
        save(options, &tables, &directory)?;
    }
    builds.clean()?;
    if options.check {
        return compare(&committed, &tables);
    }
    say(format_args!("    {tables}"));
    Ok(())
}

/// What was asked for by name, everything when nothing was.
fn wanted(
    asked: &[String],
    named: bool,
    all: impl FnOnce() -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    match asked {
        [] if named => Ok(Vec::new()),
        [] => all(),
        [one] if one == "none" => Ok(Vec::new()),
        asked => Ok(asked.to_vec()),
    }
}

/// Writes after each release, so that a stopped run loses little.
fn save(options: &Options, tables: &Tables, directory: &std::path::Path) -> Result<()> {
    match options.check {
        true => Ok(()),
        false => tables.write(directory),
    }
}

fn compare(committed: &Tables, fresh: &Tables) -> Result<()> {
    let differences = committed.differences(fresh);
    for difference in &differences {
        say(format_args!("    {difference}"));
    }
    if !differences.is_empty() {
        let count = differences.len();
        bail!(
            "{count} lines of symbols/data differ; run `cargo xtask codegen` and look at the diff"
        );
    }
    say("    the tables are what the toolchains say");
    Ok(())
}

/// Builds the program that prints the rows of one binary.
fn reader(paths: &Paths) -> Result<std::path::PathBuf> {
    let mut build = cargo();
    build
        .args([
            "build",
            "--quiet",
            "--package",
            "symbols",
            "--example",
            "reference",
        ])
        .current_dir(&paths.root)
        .env("CARGO_TARGET_DIR", &paths.target);
    run_command(&mut build)?;
    let reader = paths.target.join("debug/examples/reference");
    output(Command::new("test").arg("-x").arg(&reader))?;
    Ok(reader)
}
