//! `golens trace gc`: each garbage collection cycle of a process, as it ends.

use std::{ops::ControlFlow, process::ExitCode, time::Duration};

use serde::Serialize;

use super::{gctrace, session::Session, sites::json_line};
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
  stops[reason, start_unix_nano, length_ns, stopping_ns, exact], stops_complete,
  lost_before (cycles between this one and the one printed before that were not seen)

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
    let mut gaps = Gaps::default();
    session.follow(args.duration, |event| {
        let Event::GcStop(stop) = event else {
            return Ok(ControlFlow::Continue(()));
        };
        for news in assembler.take(stop) {
            let GcNews::Cycle(cycle) = news else { continue };
            let lost_before = gaps.before(cycle.number);
            print(*cycle, lost_before, &clock, args.json, output)?;
            printed += 1;
            if args.count.is_some_and(|count| printed >= count) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if gaps.lost > 0 {
        tracing::warn!(cycles = gaps.lost, "not every cycle was seen");
    }
    Ok(ExitCode::SUCCESS)
}

/// Cycles that are missing between those that were seen.
#[derive(Debug, Default)]
struct Gaps {
    last: Option<u32>,
    lost: u64,
}

impl Gaps {
    /// How many were lost between the last cycle and this one.
    fn before(&mut self, number: u32) -> u64 {
        let last = self.last.replace(number);
        let lost = last.map_or(0, |last| number.saturating_sub(last).saturating_sub(1));
        self.lost = self.lost.saturating_add(lost.into());
        lost.into()
    }
}

/// A cycle as a JSON object.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    cycle: CycleBody,
    lost_before: u64,
}

/// Prints a cycle at once: whoever reads along waits for it.
fn print(
    cycle: GcCycle,
    lost_before: u64,
    clock: &Clock,
    json: bool,
    output: &mut Output,
) -> Result<(), CliError> {
    if json {
        clock.tick();
        let start = start(&cycle, clock);
        let cycle = CycleBody::new(&TimelineCycle { cycle, start });
        json_line(&Line { cycle, lost_before }, output)?;
    } else {
        output.line(gctrace::line(&cycle))?;
    }
    output.flush()
}

fn start(cycle: &GcCycle, clock: &Clock) -> Option<UnixNanos> {
    let phases = cycle.observed.as_ref()?.phases?;
    Some(clock.to_unix(phases.sweep_termination))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_between_two_that_were_seen_are_lost() {
        let mut gaps = Gaps::default();
        let lost = [7, 8, 11, 12, 14].map(|number| gaps.before(number));
        assert_eq!((lost, gaps.lost), ([0, 0, 2, 0, 1], 3));
    }
}
