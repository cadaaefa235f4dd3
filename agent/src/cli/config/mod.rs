//! `golens config`: check a configuration, show the effective one, or explain where values come from.

mod document;
mod keys;
mod secrets;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};

use super::{CliError, Output, output::FAILED};
use crate::config;

const EXAMPLES: &str = "\
Examples:
  golens config show > golens.yaml     All settings with their defaults, ready to edit
  golens config check golens.yaml      Every mistake with its place and what is allowed
  golens config show --config golens.yaml
  golens config schema > golens.schema.json
                                       For editors: every setting, its meaning and default
  golens config check app.yaml --schema app.schema.json
                                       Any document, against a JSON Schema
  golens config check app.yaml --version-at version --before deployed.yaml
                                       Does its semantic version follow on the deployed one?
  golens config get server.port base.yaml prod.toml --env APP_ --explain
                                       The merged value, and the line of the source that won

Exit status: 0 no mistake, 1 mistakes or no such value, 2 wrong use of the command line.";

/// What to do with the configuration.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Report all mistakes; exit status 1 when there are any. Without a schema or a version rule the file
    /// is golens' own settings, else any document.
    Check {
        #[command(flatten)]
        layers: document::Layers,
        #[command(flatten)]
        rules: document::Rules,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print a value of a document that is merged from files and environment variables.
    Get {
        /// The value, such as server.ports[0]; "" is the whole document.
        path: ::config::Path,
        #[command(flatten)]
        layers: document::Layers,
        /// Print each value inside with the place that it comes from.
        #[arg(long)]
        explain: bool,
    },
    /// Seal a secret, so that it can lie in a file, in Git or in Apollo, and opens in its place only.
    Encrypt(secrets::EncryptArgs),
    /// Open sealed values.
    Decrypt(secrets::DecryptArgs),
    /// Take new keys into use: wrap data keys again, or seal values again.
    Rewrap(secrets::RewrapArgs),
    /// Print the JSON Schema (2020-12) of golens' own settings.
    Schema,
    /// Print the settings in effect as YAML.
    Show {
        /// Settings that differ from the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the verb.
pub(super) async fn run(args: ConfigArgs, output: &mut Output) -> Result<ExitCode, CliError> {
    match args.verb {
        ConfigVerb::Check {
            layers,
            rules,
            json,
        } => match layers.own_settings(&rules) {
            Some(file) => check(file, json, output).await,
            None => document::check(&layers, &rules, json, output).await,
        },
        ConfigVerb::Get {
            path,
            layers,
            explain,
        } => document::get(&layers, &path, explain, output).await,
        ConfigVerb::Encrypt(args) => secrets::encrypt(args, output).await,
        ConfigVerb::Decrypt(args) => secrets::decrypt(args, output).await,
        ConfigVerb::Rewrap(args) => secrets::rewrap(args, output).await,
        ConfigVerb::Schema => {
            output.json(&config::schema())?;
            Ok(ExitCode::SUCCESS)
        }
        ConfigVerb::Show { config, json } => {
            let config = config::load(config.as_deref()).await?;
            if json {
                output.json(&config)?;
            } else {
                let text =
                    serde_yaml_ng::to_string(&config).map_err(|source| CliError::Encode {
                        format: "YAML",
                        source: Box::new(source),
                    })?;
                output.line(text.trim_end())?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn check(file: &Path, json: bool, output: &mut Output) -> Result<ExitCode, CliError> {
    let problems = match config::load(Some(file)).await {
        Ok(_) => Vec::new(),
        Err(error) => error.problems,
    };
    if json {
        output.json(&serde_json::json!({ "file": file, "problems": problems }))?;
    } else if problems.is_empty() {
        output.line(format_args!("{}: ok", file.display()))?;
    } else {
        for problem in &problems {
            output.line(problem)?;
        }
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}
