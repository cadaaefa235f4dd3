//! golens' own messages, on stderr.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::CliError;

/// Checks the value of `--log-level`.
pub(super) fn filter(text: &str) -> Result<String, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(
            "use error, warn, info, debug, trace, or a list such as info,golens::probe=debug"
                .to_owned(),
        ),
    }
}

/// Sends messages that pass a filter to stderr; output on stdout stays clean.
pub(super) fn start(filter: &str) -> Result<(), CliError> {
    let messages = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry()
        .with(EnvFilter::new(filter))
        .with(messages)
        .try_init()
        .map_err(|source| CliError::Logging {
            source: Box::new(source),
        })
}
