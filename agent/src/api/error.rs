//! Failures as JSON.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No such path.
    #[error("no such route")]
    NoSuchRoute,
    /// A method that would change something.
    #[error("only GET is answered")]
    OnlyGet,
    /// The trace is unknown, or was held and is gone.
    #[error("no such trace is held")]
    NoSuchTrace,
    /// A query parameter has the wrong form.
    #[error("{0}")]
    Query(String),
    /// The `Host` header names another site.
    #[error("host `{0}` is not served; use an address or localhost")]
    Host(String),
    /// The client is on another machine.
    #[error("{0} is not this machine; reach this route through a port-forward or a shell here")]
    Peer(std::net::IpAddr),
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchRoute | Self::NoSuchTrace => StatusCode::NOT_FOUND,
            Self::OnlyGet => StatusCode::METHOD_NOT_ALLOWED,
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Peer(_) => StatusCode::FORBIDDEN,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.to_string() }));
        (self.status(), body).into_response()
    }
}

pub(super) async fn no_such_route() -> Error {
    Error::NoSuchRoute
}

pub(super) async fn only_get() -> Error {
    Error::OnlyGet
}
