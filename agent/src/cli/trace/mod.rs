//! `golens trace`: events of one process as they happen, without a running agent.

mod gc;
mod gctrace;
mod goroutines;
mod sched;
mod session;
mod sites;

use std::process::ExitCode;

use clap::Subcommand;

use super::{CliError, Output};

const EXAMPLES: &str = "\
Examples:
  golens trace gc 4711
  golens trace goroutines 4711 --duration 10s
  golens trace sched 4711 --budget 100000

The probes are attached to this one process, by this command, and removed when it ends: after --count,
--duration or --budget, at Ctrl-C, or with the process. A running agent is not needed and not disturbed.";

/// What to trace.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TraceArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print each garbage collection cycle in a line, like GODEBUG=gctrace=1.
    Gc(gc::GcArgs),
    /// Count creations and exits of goroutines by the place that creates them.
    Goroutines(goroutines::GoroutinesArgs),
    /// Measure how long runnable goroutines wait for a processor.
    Sched(sched::SchedArgs),
}

/// Runs the verb.
pub(super) async fn run(args: TraceArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    match args.what {
        What::Gc(args) => gc::run(&args, output),
        What::Goroutines(args) => goroutines::run(&args, output),
        What::Sched(args) => sched::run(&args, output),
    }
}
