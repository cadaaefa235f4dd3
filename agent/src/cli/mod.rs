//! The command line: one file per verb.

mod cluster;
mod compat;
mod config;
mod doctor;
mod goroutines;
mod logging;
mod output;
mod process;
mod ps;
mod registry;
mod run;
mod symbols;
mod token;
mod trace;

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

pub use output::{CliError, Output};
pub use run::RunArgs;

/// Blocking work that is under way when a verb has ended may take this long; what hangs longer ends with the
/// process.
const LAST_WORK: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  golens doctor                     Can this machine be observed, and what is missing?
  golens run                        Observe every Go service of this node
  golens run -- ./server --port 80  Start a program and observe only that
  golens run --scope-cgroup /kubepods --config /etc/golens/golens.yaml
  golens ps                         What is instrumented, what is not, and why
  golens symbols 4711               What golens knows of the binary of process 4711
  golens goroutines 4711            What its goroutines do, and who began them
  golens trace gc 4711              Each garbage collection of process 4711, as it ends
  golens config check golens.yaml   All mistakes of a configuration at once
  golens registry serve             A service registry that Consul's clients can use

Exit status: 0 done, 1 failed or found a problem, 2 wrong use of the command line.";

/// Observes the Go services of a node from outside: metrics, spans and logs without code changes.
#[derive(Debug, Parser)]
#[command(name = "golens", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    /// Least level of golens' own messages on stderr, also per module: `info,golens::probe=debug`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "info",
          value_parser = logging::filter)]
    log_level: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Observe Go services until interrupted.
    Run(Box<RunArgs>),
    /// List the Go processes: instrumented or not, and why.
    Ps(ps::PsArgs),
    /// Show what golens knows of a Go binary: probe sites, offsets, and where each comes from.
    Symbols(symbols::SymbolsArgs),
    /// Show what the goroutines of a process do, grouped by creation site; it runs on meanwhile.
    Goroutines(goroutines::GoroutinesArgs),
    /// Print events of one process as they happen.
    Trace(trace::TraceArgs),
    /// Check kernel, rights and surroundings, and say what to do about what is missing.
    Doctor(doctor::DoctorArgs),
    /// Check a configuration, or show the effective one.
    Config(config::ConfigArgs),
    /// The service registry: serve it alone, manage its tokens.
    Registry(registry::RegistryArgs),
    /// Stand in for another program that somebody wants to start.
    Compat(compat::CompatArgs),
}

/// Runs the command line and returns the exit status.
#[must_use]
pub fn main() -> ExitCode {
    // Before anything else: this process may be one that is to have no rights.
    if let Some(code) = crate::resolve::run_if_asked() {
        return code;
    }
    if let Some(code) = compat::run_if_named() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return output::usage(&usage),
    };
    // Messages of a stand-in go by its own configuration.
    if !matches!(cli.verb, Verb::Compat(_))
        && let Err(error) = logging::start(&cli.log_level)
    {
        return output::failure(&error);
    }
    let mut output = Output::stdout();
    let outcome = dispatch(cli.verb, &mut output).and_then(|code| {
        output.flush()?;
        Ok(code)
    });
    match outcome {
        Ok(code) => code,
        Err(error) => output::failure(&error),
    }
}

fn dispatch(verb: Verb, output: &mut Output) -> Result<ExitCode, CliError> {
    match verb {
        Verb::Run(args) => block_on(run::run(*args)),
        Verb::Ps(args) => block_on(ps::run(args, output)),
        Verb::Symbols(args) => symbols::run(&args, output),
        Verb::Goroutines(args) => goroutines::run(&args, output),
        Verb::Trace(args) => block_on(trace::run(args, output)),
        Verb::Doctor(args) => block_on(doctor::run(&args, output)),
        Verb::Config(args) => block_on(config::run(args, output)),
        Verb::Registry(args) => block_on(registry::run(args, output)),
        Verb::Compat(args) => Ok(compat::run(args)),
    }
}

/// Starts the async runtime of the verbs that need one.
fn block_on<F>(verb: F) -> Result<ExitCode, CliError>
where
    F: Future<Output = Result<ExitCode, CliError>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Runtime { source })?;
    let outcome = runtime.block_on(verb);
    // Without a limit it would wait for a look at a process that never ends.
    runtime.shutdown_timeout(LAST_WORK);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_program_to_start_keeps_its_own_options() {
        let line = [
            "golens",
            "run",
            "--listen",
            "127.0.0.1:0",
            "--",
            "./server",
            "--port",
            "1",
        ];
        let Verb::Run(args) = Cli::try_parse_from(line).expect("valid").verb else {
            panic!("another verb");
        };
        assert_eq!(args.command, ["./server", "--port", "1"]);
    }

    #[test]
    fn a_verb_ends_though_some_of_its_work_hangs() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let code = block_on(async {
            tokio::task::spawn_blocking(move || held.recv());
            Ok(ExitCode::from(7))
        });
        assert!(matches!(code, Ok(code) if code == ExitCode::from(7)));
        drop(release);
    }

    #[test]
    fn every_verb_explains_itself() {
        for verb in Cli::command().get_subcommands() {
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
        }
    }
}
