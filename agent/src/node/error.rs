//! Why the agent cannot start.

use std::{io, net::SocketAddr};

use crate::{config::ConfigError, probe::ProbeError};

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// There are no settings that can be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Not even a state in memory can be made.
    #[error("cannot make the state of settings")]
    State(#[source] state::OpenError),
    /// The kernel side cannot be loaded.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Host name or boot id cannot be read.
    #[error("cannot read this node's identity")]
    Identity(#[source] io::Error),
    /// The event ring cannot be watched.
    #[error("cannot watch the event ring")]
    Ring(#[source] io::Error),
    /// The threads that read targets cannot be started.
    #[error("cannot start threads to read targets with")]
    Readers(#[source] io::Error),
    /// The HTTP server's address cannot be used.
    #[error("cannot listen on {address}; set another with --listen or `http.listen`")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The program after `--` could not be started.
    #[error("cannot start {program}")]
    Command {
        /// As given.
        program: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

impl NodeError {
    /// Bounded word for metrics and logs.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Config(error) => error.error_type(),
            Self::State(_) => "state",
            Self::Probe(error) => error.error_type(),
            Self::Identity(_) => "identity",
            Self::Ring(_) => "ring",
            Self::Readers(_) => "readers",
            Self::Listen { .. } => "listen",
            Self::Command { .. } => "command",
        }
    }
}
