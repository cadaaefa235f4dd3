//! `golens config history | diff | rollback | unpin | audit`: what became of documents, and going back.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, UNIX_EPOCH},
};

use ::config::{Cause, Diff, DocumentId, Generation, Outcome};
use clap::Args;

use super::{
    super::{CliError, Output, output::FAILED},
    kept::Kept,
};
use crate::documents::STATE;

const ROLLBACK: &str = "\
Examples:
  golens config history prod-shop/cart.yaml
        Which generations are there?
  golens config rollback prod-shop/cart.yaml --to 3 --reason 'prices were wrong'
        The content of generation 3 becomes a new generation and is pinned: sources are not followed
  golens config unpin prod-shop/cart.yaml --reason 'prices are mended'
        Sources are followed again

Who and why go into the audit log (`golens config audit`).";

/// Where the state is.
#[derive(Debug, Args)]
struct StateArgs {
    /// Folder of the agent's state.
    #[arg(long, value_name = "FOLDER", default_value = STATE)]
    state: PathBuf,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Generations.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// NAMESPACE/NAME; golens/settings are golens' own settings. All documents without it.
    #[arg(value_parser = document)]
    document: Option<DocumentId>,
    #[command(flatten)]
    state: StateArgs,
}

/// What differs.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// NAMESPACE/NAME.
    #[arg(value_parser = document)]
    document: DocumentId,
    /// The one generation; the one before the other without it.
    from: Option<u64>,
    /// The other generation; the one in force without it.
    to: Option<u64>,
    #[command(flatten)]
    state: StateArgs,
}

/// Going back.
#[derive(Debug, Args)]
#[command(after_help = ROLLBACK)]
pub(super) struct RollbackArgs {
    /// NAMESPACE/NAME.
    #[arg(value_parser = document)]
    document: DocumentId,
    /// The generation to go back to.
    #[arg(long, value_name = "GENERATION")]
    to: u64,
    /// Why, for those who read the audit log.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    state: StateArgs,
}

/// Following again.
#[derive(Debug, Args)]
pub(super) struct UnpinArgs {
    /// NAMESPACE/NAME.
    #[arg(value_parser = document)]
    document: DocumentId,
    /// Why, for those who read the audit log.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    state: StateArgs,
}

/// Who did what.
#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// Entries to show, the newest last.
    #[arg(long, value_name = "N", default_value_t = 100)]
    most: usize,
    /// Check the chain of hashes instead; exit status 1 when it is broken.
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    state: StateArgs,
}

fn document(text: &str) -> Result<DocumentId, String> {
    let (namespace, name) = text
        .split_once('/')
        .ok_or("it must be NAMESPACE/NAME, such as prod-shop/cart.yaml")?;
    DocumentId::new(namespace, name).map_err(|error| error.to_string())
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// Generations of one document, or where all stand.
pub(super) async fn history(args: HistoryArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let kept = Kept::at(&args.state.state).await?;
    match &args.document {
        None => {
            let standings = kept.standings().await?;
            if args.state.json {
                output.json(&standings)?;
                return Ok(ExitCode::SUCCESS);
            }
            let number =
                |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
            let rows: Vec<_> = standings
                .iter()
                .map(|it| {
                    let position = &it.position;
                    [
                        it.document.clone(),
                        position.serving.to_string(),
                        number(position.good),
                        number(position.pin),
                    ]
                })
                .collect();
            output.table(["DOCUMENT", "IN FORCE", "LAST GOOD", "PINNED"], &rows)?;
        }
        Some(id) => {
            let generations = kept.generations(id).await?;
            if args.state.json {
                output.json(&generations)?;
                return Ok(ExitCode::SUCCESS);
            }
            let rows: Vec<_> = generations.iter().map(row).collect();
            output.table(["GENERATION", "TIME", "CHANGES", "STATE", "BECAUSE"], &rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn row(generation: &Generation) -> [String; 5] {
    let because = match generation.cause {
        Cause::Change => "a source changed".to_owned(),
        Cause::Rollback(to) => format!(
            "{} went back to {to}: {}",
            generation.actor, generation.reason
        ),
        Cause::TakeBack(from) => format!("generation {from} did not work well"),
        Cause::LastKnownGood(from) => format!("sources could not be used; as generation {from}"),
    };
    let state = match generation.outcome {
        Outcome::Unproven => "not proven yet",
        Outcome::Good => "good",
        Outcome::TakenBack => "taken back",
    };
    let changes = generation.diff.changes.len() + generation.diff.unlisted;
    [
        generation.number.to_string(),
        time(generation.time_ms),
        changes.to_string(),
        state.to_owned(),
        because,
    ]
}

fn time(ms: u64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(ms);
    humantime::format_rfc3339_seconds(at).to_string()
}

/// What differs between two generations.
pub(super) async fn diff(args: DiffArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let kept = Kept::at(&args.state.state).await?;
    let to = match args.to {
        Some(to) => to,
        None => kept.in_force(&args.document).await?,
    };
    let from = args.from.unwrap_or_else(|| to.saturating_sub(1));
    let diff = kept.diff(&args.document, from, to).await?;
    if args.state.json {
        output.json(&diff)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in lines(&diff) {
        output.line(line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(diff: &Diff) -> Vec<String> {
    let change = |change: &::config::Change| match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{}: {before} -> {after}", change.path),
        (None, Some(after)) => format!("{}: new, {after}", change.path),
        (Some(before), None) => format!("{}: gone, was {before}", change.path),
        (None, None) => change.path.clone(),
    };
    let mut lines: Vec<_> = diff.changes.iter().map(change).collect();
    if lines.is_empty() {
        lines.push("nothing differs".to_owned());
    }
    if diff.unlisted > 0 {
        lines.push(format!("and {} more", diff.unlisted));
    }
    lines
}

/// Goes back.
pub(super) async fn rollback(
    args: RollbackArgs,
    output: &mut Output,
) -> Result<ExitCode, CliError> {
    let kept = Kept::at(&args.state.state).await?;
    let done = kept.rollback(&args.document, args.to, &args.reason).await?;
    if args.state.json {
        output.json(&done)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (id, to, now) = (&args.document, args.to, done.generation);
    let when = kept.takes_effect();
    output.line(format_args!(
        "{id} is pinned to generation {now}, which is generation {to} again{when}"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Follows again.
pub(super) async fn unpin(args: UnpinArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let kept = Kept::at(&args.state.state).await?;
    let done = kept.unpin(&args.document, &args.reason).await?;
    if args.state.json {
        output.json(&done)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (id, now, when) = (&args.document, done.generation, kept.takes_effect());
    output.line(format_args!(
        "{id} follows its sources again{when}; in force: generation {now}"
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Who did what, or whether that record is whole.
pub(super) async fn audit(args: AuditArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let kept = Kept::at(&args.state.state).await?;
    if args.verify {
        return verify(&kept, &args.state, output).await;
    }
    let entries = kept.audit(args.most).await?;
    if args.state.json {
        output.json(&entries)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            [
                entry.number.to_string(),
                time(entry.time_ms),
                entry.actor.clone(),
                entry.action.clone(),
                entry.target.clone(),
                entry.outcome.clone(),
            ]
        })
        .collect();
    output.table(["ENTRY", "TIME", "WHO", "WHAT", "OF", "OUTCOME"], &rows)?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(kept: &Kept, state: &StateArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    match kept.verify_audit().await {
        Ok(verified) if state.json => output.json(&verified)?,
        Ok(verified) => output.line(format_args!(
            "entries {} to {} are as they were written; newest hash {}",
            verified.oldest, verified.newest, verified.head
        ))?,
        Err(CliError::Documents { detail }) => {
            output.line(detail)?;
            return Ok(ExitCode::from(FAILED));
        }
        Err(error) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}

/// The socket of the agent whose state is in that folder.
pub(super) fn socket(state: &Path) -> PathBuf {
    state
        .join(crate::documents::FOLDER)
        .join(crate::documents::SOCKET)
}
