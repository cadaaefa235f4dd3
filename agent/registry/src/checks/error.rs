//! Why a run of a check came to no answer.

use std::{io, time::Duration};

use thiserror::Error;

/// Why a run of a check came to no answer. What it says is shown as the output of the check.
#[derive(Debug, Error)]
pub(super) enum ProbeError {
    /// The check names no place that one could connect to.
    #[error("{address:?} is not {wanted}")]
    Address {
        address: String,
        wanted: &'static str,
    },
    /// Nobody listens there, or the name is unknown.
    #[error("cannot connect to {address}")]
    Connect { address: String, source: io::Error },
    /// The connection is there, but not TLS.
    #[error("no TLS with {address}")]
    Tls { address: String, source: io::Error },
    /// The TLS of this process could not be set up.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
    /// Somebody is there, but takes too long.
    #[error("no answer within {after:?}")]
    Timeout { after: Duration },
    /// The request of the check cannot be sent as it was registered.
    #[error("the request cannot be made")]
    Request(#[from] http::Error),
    /// The conversation broke.
    #[error("the exchange with {address} failed")]
    Http {
        address: String,
        source: hyper::Error,
    },
    /// The conversation broke.
    #[error("the exchange with {address} failed")]
    H2 { address: String, source: h2::Error },
    /// One redirect leads to the next.
    #[error("stopped after {0} redirects")]
    Redirects(usize),
    /// The gRPC server refused to say how it is.
    #[error("gRPC check {target}: {code:?}: {message}")]
    Refused {
        target: String,
        code: tonic::Code,
        message: String,
    },
    /// The gRPC server says that it, or the service, is not well.
    #[error("gRPC check {target}: {said}")]
    NotServing { target: String, said: &'static str },
    /// No datagram can be sent, or it was refused.
    #[error("UDP connect {address}")]
    Udp { address: String, source: io::Error },
    /// Checks of this kind are told, not run.
    #[error("this check is not run by the node")]
    NotRun,
}
