//! Everything that leaves the node: one bounded queue per back end.

mod destination;
mod exporters;
mod fanout;
mod http;
pub mod loki;
pub mod otlp;
mod outcome;
mod queue;
mod worker;

pub use destination::Ready;
pub use exporters::{Exporters, Next};
pub use fanout::{Fanout, Routes};
pub use queue::Sender;
pub use worker::ExporterHandle;

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
    /// A header cannot be sent.
    #[error("{exporter} header `{name}` cannot be sent")]
    Header {
        /// `otlp` or `loki`.
        exporter: &'static str,
        /// Its name; values may be secrets.
        name: String,
    },
    /// The protocol is none of those golens speaks.
    #[error("otlp protocol `{protocol}` is not supported; use `grpc` or `http/protobuf`")]
    Protocol {
        /// As set in the environment.
        protocol: String,
    },
    /// The HTTP client could not be built.
    #[error("{exporter} http client cannot be built")]
    HttpClient {
        /// `otlp` or `loki`.
        exporter: &'static str,
        /// Cause.
        #[source]
        source: reqwest::Error,
    },
    /// The gRPC client could not be built.
    #[error("{exporter} grpc client cannot be built")]
    GrpcClient {
        /// `otlp`.
        exporter: &'static str,
        /// Cause.
        #[source]
        source: tonic::transport::Error,
    },
}

impl Error {
    /// The setting that it is about.
    #[must_use]
    pub fn setting(&self) -> String {
        match self {
            Self::Endpoint { exporter, .. }
            | Self::HttpClient { exporter, .. }
            | Self::GrpcClient { exporter, .. } => format!("{exporter}.endpoint"),
            Self::Header { exporter, .. } => format!("{exporter}.headers"),
            Self::Protocol { .. } => "otlp.protocol".to_owned(),
        }
    }

    /// The bounded word for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } => "endpoint",
            Self::Header { .. } => "header",
            Self::Protocol { .. } => "protocol",
            Self::HttpClient { .. } => "http_client",
            Self::GrpcClient { .. } => "grpc_client",
        }
    }
}
