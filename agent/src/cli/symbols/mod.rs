//! `golens symbols`: what golens knows of a Go binary, and where it knows it from.

mod describe;

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use symbols::GoBinary;

use self::describe::Description;
use super::{CliError, Output};
use crate::discovery::{Procfs, RefusedReason};

const EXAMPLES: &str = "\
Examples:
  golens symbols ./server
  golens symbols 4711                The binary that process 4711 runs, even when it was deleted
  golens symbols ./server --json | jq .unresolved

A function is probed on an instruction that the kernel emulates (push %rbp, else jbe); one that has
none, or was inlined away, is listed as unresolved with the reason.";

/// What to look at and how to print.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SymbolsArgs {
    /// Process id, or path of a binary (`./4711` for a file that is named like a number).
    #[arg(value_name = "PID|PATH")]
    binary: String,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &SymbolsArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let bytes = match args.binary.parse() {
        Ok(pid) => read_process(pid)?,
        Err(_) => {
            let path = PathBuf::from(&args.binary);
            read_file(&path).map_err(|source| CliError::Read { path, source })?
        }
    };
    let binary = GoBinary::parse(&bytes).map_err(|error| CliError::Binary {
        name: args.binary.clone(),
        source: Box::new(error),
    })?;
    let description = Description::of(&binary);
    if args.json {
        output.json(&description)?;
    } else {
        description.print(output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a regular file; devices and pipes have no end.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_file() {
        fs::read(path)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        ))
    }
}

fn read_process(pid: u32) -> Result<Vec<u8>, CliError> {
    let procfs = Procfs::default();
    let mut bytes = Vec::new();
    procfs
        .open_executable(pid)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|source| CliError::Process {
            pid,
            reason: RefusedReason::from_io("read its executable", source),
        })?;
    Ok(bytes)
}
