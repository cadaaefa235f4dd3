//! `golens compat`: stands in for other programs, for those that start one.

use std::{ffi::OsStr, path::Path, process::ExitCode};

use clap::{Args, Subcommand};
use registry::consul::compat;

use super::logging;

/// Started under this name, golens is that program.
const CONSUL: &str = "consul";

const CONSUL_EXAMPLES: &str = "\
Examples:
  golens compat consul version -format=json
  golens compat consul agent -config-file /tmp/agent.json
  ln -s \"$(command -v golens)\" /usr/local/bin/consul     Then `consul agent ...` is the same

The agent is ready within a fraction of a second, forms no cluster, and ends at SIGINT or SIGTERM.";

/// Which program.
#[derive(Debug, Args)]
pub(super) struct CompatArgs {
    #[command(subcommand)]
    program: Program,
}

#[derive(Debug, Subcommand)]
enum Program {
    /// Consul's agent, as far as tests and tools start one: `version` and `agent -config-file FILE`.
    #[command(after_help = CONSUL_EXAMPLES)]
    Consul {
        /// What `consul` would be given.
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            required = true,
            value_name = "ARGUMENTS"
        )]
        arguments: Vec<String>,
    },
}

/// Runs the program.
pub(super) fn run(args: CompatArgs) -> ExitCode {
    let Program::Consul { arguments } = args.program;
    consul(arguments.into_iter())
}

/// Runs `consul` if this process was started under its name.
pub(super) fn run_if_named() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    let name = arguments.next()?;
    is_consul(&name).then(|| consul(arguments.map(|text| text.to_string_lossy().into_owned())))
}

fn is_consul(name: &OsStr) -> bool {
    Path::new(name).file_name() == Some(OsStr::new(CONSUL))
}

fn consul(arguments: impl Iterator<Item = String>) -> ExitCode {
    compat::main(arguments, |level| {
        let filter = logging::filter(&level.to_lowercase()).unwrap_or_else(|_| "info".to_owned());
        if let Err(error) = logging::start(&filter) {
            super::output::failure(&error);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_file_decides() {
        assert!(is_consul(OsStr::new("/tmp/consul/bin/consul")));
        assert!(is_consul(OsStr::new("consul")));
        assert!(!is_consul(OsStr::new("/opt/consul/golens")));
    }
}
