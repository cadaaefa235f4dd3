//! Stands in for the `consul` program, for those that expect one in their PATH.
//!
//! `version [-format=json]` and `agent -config-file X [-config-file Y]` are understood, nothing else.

mod agent;
mod config;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use thiserror::Error;

use self::config::Config;
use super::{error::chain, settings::VERSION};
use crate::{RegistryError, standalone::StartError};

/// Why the program ended badly.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompatError {
    /// The command line is not one of those that are understood.
    #[error(
        "cannot do {arguments:?}: understood are \"version [-format=json]\" and \
         \"agent -config-file FILE [-config-file FILE]\""
    )]
    Usage {
        /// What was given.
        arguments: Vec<String>,
    },
    /// A file cannot be read.
    #[error("cannot read {file}", file = file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("cannot understand the configuration in {files:?}")]
    Config {
        /// The files that were read together.
        files: Vec<PathBuf>,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A service of the configuration cannot be registered.
    #[error("cannot register the service {name:?} of the configuration: {reason}")]
    Service {
        /// Name of the service.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A service of the configuration was not taken.
    #[error("cannot register the services of the configuration")]
    Registry(#[from] RegistryError),
    /// An address to listen on is not one.
    #[error("cannot listen on {address:?}")]
    Address {
        /// What is given.
        address: String,
        /// What is wrong with it.
        source: std::net::AddrParseError,
    },
    /// Clients are to show certificates, and nobody says whose.
    #[error("verify_incoming_https needs a ca_file")]
    NoAuthority,
    /// The agent did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system did not give what every process has.
    #[error("the system failed")]
    Io(#[from] io::Error),
}

/// Runs the program with its arguments, without its name. `log` is told the level of messages once it is
/// known, before the first message. Errors go to stderr.
pub fn main(arguments: impl Iterator<Item = String>, log: impl FnOnce(&str)) -> ExitCode {
    let arguments: Vec<String> = arguments.collect();
    match run(&arguments, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when this fails.
            drop(writeln!(io::stderr(), "consul: {}", chain(&error)));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String], log: impl FnOnce(&str)) -> Result<(), CompatError> {
    let usage = || CompatError::Usage {
        arguments: arguments.to_vec(),
    };
    let (verb, flags) = arguments.split_first().ok_or_else(usage)?;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    match (verb.as_str(), flags.as_slice()) {
        ("version", []) => Ok(writeln!(io::stdout(), "Consul v{VERSION}")?),
        ("version", ["-format=json" | "--format=json"] | ["-format", "json"]) => {
            Ok(writeln!(io::stdout(), "{}", version())?)
        }
        ("agent", flags) => {
            let files = config_files(flags).ok_or_else(usage)?;
            let config = Config::read(&files)?;
            log(&config.log_level);
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?;
            runtime.block_on(agent::run(config, files))
        }
        _ => Err(usage()),
    }
}

fn version() -> serde_json::Value {
    serde_json::json!({
        "Version": VERSION,
        "Revision": "",
        "Prerelease": "",
        "BuildDate": "1970-01-01T00:00:00Z",
        "FIPS": "",
        "RPC": {"Default": 2, "Min": 2, "Max": 3},
    })
}

/// The files of `-config-file FILE` and `-config-file=FILE`; `None` when there is something else.
fn config_files(flags: &[&str]) -> Option<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let flag = flag.trim_start_matches('-');
        let file = match flag.strip_prefix("config-file")? {
            "" => flags.next()?,
            rest => rest.strip_prefix('=')?,
        };
        files.push(file.into());
    }
    (!files.is_empty()).then_some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_the_flag_are_read_and_others_refused() {
        let files = |flags: &[&str]| config_files(flags);
        assert_eq!(
            files(&["-config-file", "a", "--config-file=b"]),
            Some(vec!["a".into(), "b".into()])
        );
        for flags in [&[][..], &["-config-file"], &["-dev"], &["-config-files=x"]] {
            assert_eq!(files(flags), None, "{flags:?}");
        }
    }
}
