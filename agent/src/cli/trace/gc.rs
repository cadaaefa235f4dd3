//! `golens trace gc`: each garbage collection cycle of a process, as it ends.

use std::{ops::ControlFlow, process::ExitCode, time::Duration};

use super::{gctrace, session::Session};
use crate::{
    api::CycleBody,
    cli::{CliError, Output},
    clock::{Clock, UnixNanos},
    event::Event,
    probe::Feature,
    recent::TimelineCycle,
    runtime::gc::{Assembler, GcCycle, GcNews},
};

const HELP: &str = "\
Examples:
  golens trace gc 4711
  golens trace gc 4711 --count 10
  golens trace gc 4711 --duration 1m --json | jq '.pause_ns'

A line per cycle, as GODEBUG=gctrace=1 of the Go runtime prints it:

  gc 12 @3.412s 2%: 0.01+1.2+0.02 ms clock, 0.04+0.30/1.1/0+0.08 ms cpu, 4->5->3 MB, 6 MB goal, 0 MB stacks, 0 MB globals, 8 P (forced)

cycle, time since the program started, part of the CPU time that GC has used since then; sweep
termination + marking + mark termination, by the clock and in CPU time (marking as assist/workers/idle);
heap at the start -> at the end -> live, its goal, scanned stacks and globals, GOMAXPROCS. What cannot be
told is `?`: in a binary without symbol table, the time since the start.

Keys of --json, one object per line; null is unknown:
  number, forced, pause_ns, start_unix_nano, phases[sweep_termination_ns, mark_ns, mark_termination_ns],
  heap[start_bytes, end_bytes, live_bytes], heap_goal_bytes, stack_bytes, globals_bytes, gomaxprocs,
  mark_cpu[assist_ns, dedicated_ns, fractional_ns, idle_ns], cpu_fraction, since_start_ns,
  stops[reason, start_unix_nano, length_ns, stopping_ns, exact], stops_complete

Exit status: 0 at the end of the process, of --count or --duration, or when interrupted; 1 when the
process cannot be traced.";

/// Whom to trace, how long, and how to print.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct GcArgs {
    /// Process id.
    pid: u32,
    /// End after this many cycles.
    #[arg(long, value_name = "CYCLES", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this time, such as `30s`.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Print each cycle as a JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &GcArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    let mut session = Session::attach(args.pid, Feature::Gc)?;
    let (clock, mut assembler, mut printed) = (Clock::new(), Assembler::default(), 0);
    session.follow(args.duration, |event| {
        let Event::GcStop(stop) = event else {
            return Ok(ControlFlow::Continue(()));
        };
        for news in assembler.take(stop) {
            let GcNews::Cycle(cycle) = news else { continue };
            print(*cycle, &clock, args.json, output)?;
            printed += 1;
            if args.count.is_some_and(|count| printed >= count) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a cycle at once: whoever reads along waits for it.
fn print(cycle: GcCycle, clock: &Clock, json: bool, output: &mut Output) -> Result<(), CliError> {
    if json {
        clock.tick();
        let start = start(&cycle, clock);
        let body = CycleBody::new(&TimelineCycle { cycle, start });
        let line = serde_json::to_string(&body).map_err(|source| CliError::Encode {
            format: "JSON",
            source: Box::new(source),
        })?;
        output.line(line)?;
    } else {
        output.line(gctrace::line(&cycle))?;
    }
    output.flush()
}

fn start(cycle: &GcCycle, clock: &Clock) -> Option<UnixNanos> {
    let phases = cycle.observed.as_ref()?.phases?;
    Some(clock.to_unix(phases.sweep_termination))
}
