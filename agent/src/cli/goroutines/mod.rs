//! `golens goroutines`: what all goroutines of a process do, and where they were begun.

mod print;

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;

use super::{CliError, Output, process};
use crate::{
    clock::UnixNanos,
    resolve::Resolver,
    runtime::profile::{Group, Profile, Profiler, Room},
};

const HELP: &str = "\
Examples:
  golens goroutines 4711
  golens goroutines 4711 --stacks --limit 5
  golens goroutines 4711 --seconds 10          Which of them have not run for ten seconds?
  golens goroutines 4711 --pprof g.pb.gz && go tool pprof -top g.pb.gz
  golens goroutines 4711 --json | jq '.groups[] | select(.wait_reason == \"chan receive\")'

The memory of the process is read; it is neither stopped nor probed, and needs no symbols. Needs
CAP_SYS_PTRACE. Goroutines that do the same are one row: same state, reason to wait, creation site and
first function. IDLE counts those that did not run between two readings (--seconds). AGE is the time
since the first reading, or since the garbage collector noted a wait: goroutines may be older.

Keys of --json; times in seconds:
  pid, goroutines, system (goroutines of the runtime itself, not in `goroutines`),
  unread (list entries beyond the limit of one million), unremembered (0 here), ungrouped
  groups[] count, known, unmoved, state, wait_reason, system, age_seconds, wait_seconds,
           created_by and start (function, file, line), sample (goroutine id), stack[function, file, line, inlined]

Exit status: 0 when the process was read; 1 when it is no Go process, or cannot be read.";

/// Goroutines that are looked at.
const LIMIT: usize = 1_000_000;

/// Whom to look at and how to print.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct GoroutinesArgs {
    /// Process id.
    pid: u32,
    /// Show the stack of one goroutine of each group.
    #[arg(long)]
    stacks: bool,
    /// Read twice, this many seconds apart, and tell who did not run meanwhile.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: Option<u64>,
    /// Order of the groups.
    #[arg(long, value_enum, default_value = "count")]
    sort: Order,
    /// Show this many groups.
    #[arg(long, value_name = "GROUPS")]
    limit: Option<usize>,
    /// Also show goroutines of the runtime itself.
    #[arg(long)]
    system: bool,
    /// Write the profile to a file for `go tool pprof`.
    #[arg(long, value_name = "FILE")]
    pprof: Option<PathBuf>,
    /// Print as JSON.
    #[arg(long, conflicts_with = "stacks")]
    json: bool,
}

/// What the first rows have most of.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// Goroutines.
    Count,
    /// Goroutines that did not run since the first of two readings.
    Idle,
    /// Age of the oldest.
    Age,
    /// Creation site, by name.
    Site,
}

/// Runs the verb.
pub(super) fn run(args: &GoroutinesArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let mut profile = take(args)?;
    let taken = UnixNanos::now();
    if let Some(path) = &args.pprof {
        let write = || fs::write(path, profile.to_pprof(taken)?);
        write().map_err(|source| CliError::Write {
            path: path.clone(),
            source,
        })?;
    }
    if !args.system {
        profile.groups.retain(|group| !group.system);
    }
    args.sort.apply(&mut profile.groups);
    let shown = args.limit.unwrap_or(usize::MAX).min(profile.groups.len());
    let hidden = profile.groups.split_off(shown);
    if args.json {
        output.json(&profile)?;
    } else {
        print::profile(&profile, &hidden, args, output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the process once, or twice with a pause.
fn take(args: &GoroutinesArgs) -> Result<Profile, CliError> {
    let pid = args.pid;
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| CliError::Goroutines { pid, source };
    let process = Arc::new(process::open(pid)?);
    let resolver = Resolver::default();
    let binary = resolver
        .resolve(&process.file)
        .map_err(|error| CliError::Binary {
            name: pid.to_string(),
            source: Box::new(error),
        })?;
    let Some(facts) = &binary.profile else {
        return Err(CliError::GoroutinesUnknown {
            pid,
            missing: binary
                .unresolved
                .iter()
                .map(|missing| format!("{}: {}", missing.what, missing.reason))
                .collect(),
        });
    };
    let mut profiler = Profiler::new(process, &binary, facts, LIMIT, &Room::new(LIMIT))
        .map_err(|error| failed(Box::new(error)))?;
    let mut profile = profiler
        .profile(&resolver)
        .map_err(|error| failed(Box::new(error)))?;
    if let Some(seconds) = args.seconds {
        let until = Instant::now() + Duration::from_secs(seconds);
        thread::sleep(until.saturating_duration_since(Instant::now()));
        profile = profiler
            .profile(&resolver)
            .map_err(|error| failed(Box::new(error)))?;
    }
    Ok(profile)
}

impl Order {
    fn apply(self, groups: &mut [Group]) {
        let site = |group: &Group| {
            let place = group.created_by.as_ref();
            place.map(|place| (place.file.to_string(), place.line))
        };
        match self {
            // They come in this order.
            Self::Count => {}
            Self::Idle => groups.sort_by_key(|group| std::cmp::Reverse(group.unmoved)),
            Self::Age => groups.sort_by(|a, b| b.age_seconds.total_cmp(&a.age_seconds)),
            Self::Site => groups.sort_by_key(site),
        }
    }
}
