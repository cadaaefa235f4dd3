//! `golens doctor`: one line per check, and what to do.

use std::{path::PathBuf, process::ExitCode};

use super::{CliError, Output, output::FAILED};
use crate::{
    config::load,
    doctor::{Check, Status, checks},
};

const EXAMPLES: &str = "\
Examples:
  golens doctor
  golens doctor --config /etc/golens/golens.yaml --json

Exit status 1 when a check failed; warnings do not change it.";

/// Where to look and how to print.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DoctorArgs {
    /// Settings whose scope and address are checked.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) async fn run(args: &DoctorArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let all = checks(&load(args.config.as_deref()).await?);
    if args.json {
        output.json(&serde_json::json!({ "checks": all }))?;
    } else {
        print(&all, output)?;
    }
    let failed = all.iter().any(|check| check.status == Status::Fail);
    Ok(if failed {
        ExitCode::from(FAILED)
    } else {
        ExitCode::SUCCESS
    })
}

fn print(all: &[Check], output: &mut Output) -> Result<(), CliError> {
    let width = all.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in all {
        let status = match check.status {
            Status::Ok => "ok  ",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        output.line(format_args!(
            "{status}  {:width$}  {}",
            check.name, check.detail
        ))?;
        if let Some(remedy) = &check.remedy {
            output.line(format_args!("      {:width$}  -> {remedy}", ""))?;
        }
    }
    Ok(())
}
