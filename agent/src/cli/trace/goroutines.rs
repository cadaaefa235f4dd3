//! `golens trace goroutines`: begin and end of goroutines, by the place that creates them.

use std::process::ExitCode;

use agent_ebpf::goroutine::{STACKS, SiteStats, stack_size};
use serde::Serialize;

use super::sites::{
    Counted, Durations, End, Site, SiteArgs, Trace, duration, heading, json_line, rate, rest,
};
use crate::{
    cli::{CliError, Output},
    config::Bytes,
    probe::Feature,
};

const HELP: &str = "\
Examples:
  golens trace goroutines 4711
  golens trace goroutines 4711 --duration 10s --limit 5
  golens trace goroutines 4711 --duration 1m --json | jq 'select(.end).sites[0]'

Three hits for each goroutine that begins and ends. A table per interval, and one of the whole trace at
the end, with the reason why it ended. Columns:
  CREATED/S  goroutines begun per second
  EXITED/S   goroutines ended per second, whenever they began
  LIVE       begun in this trace and not ended
  P50, P99   lifetime of those that began and ended in this trace, rounded up by a quarter at most
  STACK, MAX size of the stack at the end: the median and the largest
  SITE       function and line of the `go` statement

Keys of --json, one object per line:
  seconds, hits, budget, end (in the last line, for the whole trace: duration, budget, process_ended,
  interrupted), sites[site, created, exited, live, lifetimes[count, sum_ns, p50_ns, p90_ns, p99_ns,
  buckets[bound_ns, count]], stacks[bytes, count]]; live and lifetimes are null where the binary has no
  place at which births can be seen

Exit status: 0 at the end of the process, of --duration or --budget, or when interrupted; 1 when the
process cannot be traced.";

/// Whom to trace, how long, and how to print.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct GoroutinesArgs {
    #[command(flatten)]
    sites: SiteArgs,
}

/// Runs the verb.
pub(super) fn run(args: &GoroutinesArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let trace = Trace::start(&args.sites, Feature::Goroutine, &[])?;
    let births = trace.sees_births();
    trace.run(output, |args, counted, output| match args.json {
        true => json_line(&Body::of(args, counted, births), output),
        false => table(args, counted, births, output),
    })?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Body<'a> {
    seconds: f64,
    hits: u64,
    budget: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<End>,
    sites: Vec<SiteBody<'a>>,
}

#[derive(Serialize)]
struct SiteBody<'a> {
    site: &'a str,
    created: u64,
    exited: u64,
    live: Option<u64>,
    lifetimes: Option<Durations>,
    stacks: Vec<(u64, u64)>,
}

impl<'a> Body<'a> {
    fn of(args: &SiteArgs, counted: &Counted<'a>, births: bool) -> Self {
        let body = |site: &Site<'a>| SiteBody {
            site: site.name,
            created: site.now.begun,
            exited: site.now.ended,
            live: births.then(|| live(&site.all)),
            lifetimes: births.then(|| Durations::of(&site.now)),
            stacks: (0..STACKS)
                .filter(|class| site.now.stacks[*class] > 0)
                .map(|class| (stack_size(class), site.now.stacks[class]))
                .collect(),
        };
        Self {
            seconds: counted.seconds,
            hits: counted.hits,
            budget: args.budget,
            end: counted.end,
            sites: counted.sites.iter().map(body).collect(),
        }
    }
}

fn table(
    args: &SiteArgs,
    counted: &Counted<'_>,
    births: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    heading(args, counted, output)?;
    let row = |site: &Site<'_>| {
        let stats = &site.now;
        let stack = |share| {
            let bytes = stats.stack_at(share);
            bytes.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string())
        };
        [
            rate(stats.begun, counted),
            rate(stats.ended, counted),
            match births {
                true => live(&site.all).to_string(),
                false => "-".to_owned(),
            },
            duration(stats.duration_at(500)),
            duration(stats.duration_at(990)),
            stack(500),
            stack(1_000),
            site.name.to_owned(),
        ]
    };
    let rows: Vec<[String; 8]> = counted.sites.iter().take(args.limit).map(row).collect();
    let names = [
        "CREATED/S",
        "EXITED/S",
        "LIVE",
        "P50",
        "P99",
        "STACK",
        "MAX",
        "SITE",
    ];
    output.table(names, &rows)?;
    rest(args, counted, output)
}

/// Goroutines that began in the trace and have not ended.
fn live(all: &SiteStats) -> u64 {
    all.begun.saturating_sub(all.timed())
}
