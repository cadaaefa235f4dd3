//! What one binary costs: time and memory of everything the agent asks, on small and very large programs.
//!
//! Each figure comes from a process of its own, which this program starts from its own executable; the
//! cases take turns, so that a slow moment of the machine hits all of them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark talks to whoever started it"
)]

mod cases;
mod child;
mod file_scratch;
mod fixtures;
mod questions;
mod repeated;
mod report;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use report::Measured;

const HELP: &str = "\
Measures what symbols costs on real Go binaries.

cargo bench -p symbols [-- OPTIONS]        or: cargo xtask bench symbols

  --runs N     timed processes per case [default: 9]
  --only TEXT  only cases whose name contains TEXT
  --small      leaves out the large program, whose first build takes minutes
  --json       one JSON object per case on stdout instead of a table
  --list       names the cases

Time is from the mapped file to the last answer, median and 95th percentile; starting the process is
not in it. Memory is sampled in a process of its own: RssAnon is what the kernel cannot take back,
VmHWM also counts pages of mapped files. The first build needs the Go module proxy.";

/// What the user wants.
struct Options {
    runs: usize,
    only: String,
    small: bool,
    json: bool,
    list: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    if let Some(("--child", rest)) = arguments
        .split_first()
        .map(|(name, rest)| (name.as_str(), rest))
    {
        return child::run(rest);
    }
    if arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h")
    {
        println!("{HELP}");
        return Ok(());
    }
    let options = parse(arguments)?;
    let mut cases = cases::all();
    cases.retain(|case| case.name.contains(&options.only) && !(options.small && case.is_large()));
    if options.list {
        for case in &cases {
            println!("{}", case.name);
        }
        return Ok(());
    }
    if cases.is_empty() {
        bail!(
            "no case has {:?} in its name; --list names them",
            options.only
        );
    }
    let measured = measure(&cases, options.runs)?;
    if options.json {
        measured.iter().for_each(|case| println!("{}", case.json()));
    } else {
        print!("{}", report::table(&measured));
    }
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        runs: 9,
        only: String::new(),
        small: false,
        json: false,
        list: false,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runs" => {
                let runs = arguments.next().and_then(|runs| runs.parse().ok());
                options.runs = runs
                    .filter(|&runs| runs > 0)
                    .context("--runs takes a number")?;
            }
            "--only" => options.only = arguments.next().context("--only takes a text")?.clone(),
            "--small" => options.small = true,
            "--json" => options.json = true,
            "--list" => options.list = true,
            // What cargo bench itself passes on.
            "--bench" => {}
            other => bail!("unknown option {other:?}; --help lists them"),
        }
    }
    Ok(options)
}

/// Builds what is measured, then runs all cases once per round.
fn measure(cases: &[cases::Case], runs: usize) -> Result<Vec<Measured>> {
    let mut measured: Vec<Measured> = Vec::new();
    let mut built = Vec::new();
    for case in cases {
        // The cases of one binary follow each other.
        if built
            .last()
            .is_none_or(|(binary, _)| *binary != case.binary)
        {
            let file = fixtures::file(case.binary).with_context(|| case.name.clone())?;
            built.push((case.binary, file));
        }
        let (_, file) = built.last().context("a case has a binary")?;
        measured.push(Measured::new(case, file.clone())?);
    }
    for case in &mut measured {
        // Reads the file into the page cache, and is the one run whose memory is watched.
        case.watch()?;
    }
    for round in 1..=runs {
        eprintln!("round {round} of {runs}");
        for case in &mut measured {
            case.time()?;
        }
    }
    Ok(measured)
}
