//! `golens trace sched`: how long runnable goroutines wait for a processor, by the place that created them.

use std::process::ExitCode;

use agent_ebpf::{counter::Program, goroutine::SiteStats};
use serde::Serialize;

use super::sites::{
    Counted, Durations, End, Site, SiteArgs, Trace, duration, heading, json_line, rate, rest,
};
use crate::{
    cli::{CliError, Output},
    probe::Feature,
};

const HELP: &str = "\
Examples:
  golens trace sched 4711
  golens trace sched 4711 --duration 5s --budget 200000
  golens trace sched 4711 --duration 5s --json | jq 'select(.end).sites[] | {site, p99: .waits.p99_ns}'

A wait begins when another goroutine makes one runnable (channel, mutex, timer) or creates it, and ends
when it gets a processor. Waits that begin otherwise are counted and have no length: those of goroutines
that the network poller wakes, that come back from a system call, that were preempted or called Gosched,
and of all that were runnable already when the trace began.
Two hits for each wait: a busy program has hundreds of thousands in a second. For the whole picture at no
cost see the Go runtime's own histogram, which `golens run` publishes.

A table per interval, and one of the whole trace at the end, with the reason why it ended. Columns:
  RUNS/S         how often goroutines of the site got a processor, per second
  SEEN           share of them whose wait has a length
  P50, P90, P99  length of the wait, rounded up by a quarter at most
  SITE           function and line of the `go` statement that created the goroutines

Keys of --json, one object per line:
  seconds, hits, budget, end (in the last line, for the whole trace: duration, budget, process_ended,
  interrupted), sites[site, runs, waits[count, sum_ns, p50_ns, p90_ns, p99_ns, buckets[bound_ns, count]]]

Exit status: 0 at the end of the process, of --duration or --budget, or when interrupted; 1 when the
process cannot be traced.";

/// Whom to trace, how long, and how to print.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct SchedArgs {
    #[command(flatten)]
    sites: SiteArgs,
}

/// Runs the verb.
pub(super) fn run(args: &SchedArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    // A goroutine waits from its birth on.
    let trace = Trace::start(&args.sites, Feature::Sched, &[Program::GoroutineBorn])?;
    trace.run(output, |args, counted, output| match args.json {
        true => json_line(&Body::of(args, counted), output),
        false => table(args, counted, output),
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
    runs: u64,
    waits: Durations,
}

impl<'a> Body<'a> {
    fn of(args: &SiteArgs, counted: &Counted<'a>) -> Self {
        let body = |site: &Site<'a>| SiteBody {
            site: site.name,
            runs: site.now.ended,
            waits: Durations::of(&site.now),
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

fn table(args: &SiteArgs, counted: &Counted<'_>, output: &mut Output) -> Result<(), CliError> {
    heading(args, counted, output)?;
    let row = |site: &Site<'_>| {
        let stats = &site.now;
        [
            rate(stats.ended, counted),
            seen(stats),
            duration(stats.duration_at(500)),
            duration(stats.duration_at(900)),
            duration(stats.duration_at(990)),
            site.name.to_owned(),
        ]
    };
    let rows: Vec<[String; 6]> = counted.sites.iter().take(args.limit).map(row).collect();
    output.table(["RUNS/S", "SEEN", "P50", "P90", "P99", "SITE"], &rows)?;
    rest(args, counted, output)
}

/// Share of the runs whose wait was seen from its begin.
fn seen(stats: &SiteStats) -> String {
    let share = stats.timed() as f64 / stats.ended.max(1) as f64;
    format!("{:.0}%", 100.0 * share)
}
