//! `golens symbols`: what golens knows of a Go binary, and where it knows it from.

mod print;

use std::{
    fs::File,
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Serialize;

use super::{CliError, Output};
use crate::{
    discovery::{Procfs, RefusedReason},
    resolve::{Report, Resolver},
};

const HELP: &str = "\
Examples:
  golens symbols ./server
  golens symbols 4711                The binary that process 4711 runs, even when it was deleted
  golens symbols ./server --json | jq '.features[] | select(.attach == \"no\")'

The binary is read by a process without rights, as in `golens run`. Every fact has the place it was read
from and how far that can be trusted: stated (the binary says so), corroborated (several places of its
code agree), reference (true of every build of this release). Nothing is guessed; what is not known is
listed with the reason, and what needs it is not attached.

Keys of --json; addresses are as linked, sizes and offsets in bytes:
  binary      as given on the command line
  file        size, go_version, machine, build (mode, static, cgo, race, modules), build_id,
              position_independent, main_path, main_module, main_version, modules,
              settings[key, value], symbol_table, debug_information,
              debug_information_unread (why none of it is used)
  sources     functions, layouts: where these are looked up first
  features[]  feature, attach (yes, in_windows, on_demand, not_used, no), why[what, reason, error_type]
  functions[] feature, program, required, name, address, size, provenance, confidence,
              site (address, file_offset, instruction, kind) or why, returns, inlined_copies
  after_calls[] caller, callee, calls[address, site, results[]] or why
  fields[]    structure, field, offset, provenance, confidence
  variables[] name, address, size, provenance, confidence
  unresolved[] what, reason, error_type

Exit status: 0 when the binary can be read, whatever is missing in it; 1 when it cannot.";

/// What to look at and how to print.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct SymbolsArgs {
    /// Process id, or path of a binary (`./4711` for a file that is named like a number).
    #[arg(value_name = "PID|PATH")]
    binary: String,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// The report under the name it was asked for.
#[derive(Debug, Serialize)]
struct Named<'a> {
    binary: &'a str,
    #[serde(flatten)]
    report: &'a Report,
}

/// Runs the verb.
pub(super) fn run(args: &SymbolsArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let file = match args.binary.parse() {
        Ok(pid) => open_process(pid)?,
        Err(_) => {
            let path = PathBuf::from(&args.binary);
            open_file(&path).map_err(|source| CliError::Read { path, source })?
        }
    };
    let report = Resolver::default()
        .report(&file)
        .map_err(|error| CliError::Binary {
            name: args.binary.clone(),
            source: Box::new(error),
        })?;
    if args.json {
        output.json(&Named {
            binary: &args.binary,
            report: &report,
        })?;
    } else {
        print::report(&args.binary, &report, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Does not wait for somebody to write into a pipe; whether it is a file is seen later.
fn open_file(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
}

fn open_process(pid: u32) -> Result<File, CliError> {
    let procfs = Procfs::default();
    procfs.open_executable(pid).map_err(|source| {
        let is_missing = source.kind() == io::ErrorKind::NotFound;
        let source = match is_missing && procfs.path(pid, "stat").exists() {
            true => io::Error::other("it has none, as kernel threads and ended processes"),
            false => source,
        };
        CliError::Process {
            pid,
            reason: RefusedReason::from_io("read its executable", source),
        }
    })
}
