//! golens' own messages, on stderr.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::CliError;

/// Sends messages at or above a level to stderr; output on stdout stays clean.
pub(super) fn start(filter: &str) -> Result<(), CliError> {
    let wrong = || CliError::LogLevel {
        filter: filter.to_owned(),
    };
    let filter = EnvFilter::try_new(filter).map_err(|_error| wrong())?;
    let messages = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(messages)
        .try_init()
        .map_err(|_already_set| wrong())
}
