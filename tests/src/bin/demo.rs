//! `cargo xtask demo` builds everything and starts this.

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tests::demo::{self, Options, interrupted};

fn main() -> ExitCode {
    match options(env::args().skip(1)).and_then(demo::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = match interrupted() {
                true => "interrupted; everything is stopped".to_owned(),
                false => format!("error: {error:#}"),
            };
            // A closed stderr is no reason for another exit code.
            drop(writeln!(io::stderr(), "{text}"));
            ExitCode::FAILURE
        }
    }
}

/// xtask has checked what the user typed; these are the same flags.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => options.json = true,
            "--keep" => options.keep = true,
            "--backends" => options.backends = true,
            "--seconds" => {
                let value = arguments.next().context("--seconds needs a number")?;
                options.load = Duration::from_secs(value.parse()?);
            }
            other => bail!("unknown option {other}; start this through `cargo xtask demo`"),
        }
    }
    Ok(options)
}
