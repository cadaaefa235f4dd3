//! Everything that leaves the node: one bounded queue per back end.

mod fanout;
pub mod loki;
pub mod otlp;
mod queue;

pub use fanout::Fanout;
pub use loki::start as start_loki;
pub use otlp::start as start_otlp;
pub use queue::{ExporterHandle, Sender};

/// An exporter that cannot be started with these settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is no URL that can be sent to.
    #[error("{exporter} endpoint `{endpoint}` cannot be used: {problem}")]
    Endpoint {
        /// `otlp` or `loki`.
        exporter: &'static str,
        /// As configured.
        endpoint: String,
        /// Why.
        problem: &'static str,
    },
}

impl Error {
    /// The bounded word for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } => "endpoint",
        }
    }
}
