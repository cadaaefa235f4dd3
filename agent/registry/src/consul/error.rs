//! What a caller is told when a request fails: a status and one line of text.

use std::borrow::Cow;

use http::StatusCode;

use state::{snapshot::SnapshotError, tokens::TokenError};

use crate::{Limited, RegistryError};

pub(super) use crate::error::chain;

/// A failed request. The Go client shows both as `Unexpected response code: 400 (text)`.
///
/// A 500 makes clients try again, so it is kept for faults of ours; what the caller did wrong is a 4xx.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {text}")]
pub(crate) struct ApiError {
    /// Status of the answer.
    pub(crate) status: StatusCode,
    /// Body of the answer.
    pub(crate) text: Cow<'static, str>,
    /// When to try again, in seconds, if that will help.
    pub(crate) retry_after_s: Option<u64>,
}

impl ApiError {
    /// A failure with any status.
    pub(crate) fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            text: text.into(),
            retry_after_s: None,
        }
    }

    /// 400: the caller can mend it.
    pub(crate) fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 403: the caller's token does not allow it.
    pub(crate) fn denied(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    /// 404: there is no such thing.
    pub(crate) fn not_found(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// 500: we could not.
    pub(crate) fn internal(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }
}

impl From<super::filter::FilterError> for ApiError {
    fn from(error: super::filter::FilterError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<Limited> for ApiError {
    fn from(limited: Limited) -> Self {
        Self {
            retry_after_s: Some(limited.retry_after_s()),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, limited.to_string())
        }
    }
}

impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let unknown = |what: &str, id: &str, not: &str| {
            Self::not_found(format!(
                "Unknown {what} ID {id:?}. Ensure that the {what} ID is passed, not the {not} name."
            ))
        };
        match error {
            RegistryError::Denied { .. } => Self::denied(format!("Permission denied: {error}")),
            RegistryError::UnknownInstance(key) => unknown("service", &key.id, "service"),
            RegistryError::UnknownCheck(key) => unknown("check", &key.id, "check"),
            RegistryError::Token(TokenError::Unknown(_)) => Self::not_found(error.to_string()),
            RegistryError::Token(_) => Self::internal(chain(&error)),
            RegistryError::OtherNode(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            RegistryError::UnknownNode(name) => Self::not_found(format!("Unknown node {name:?}")),
            RegistryError::NotTtl(key) => {
                Self::bad_request(format!("CheckID {:?} does not have associated TTL", key.id))
            }
            RegistryError::State(_)
            | RegistryError::Snapshot(SnapshotError::Engine(_) | SnapshotError::Write(_)) => {
                Self::internal(chain(&error))
            }
            _ => Self::bad_request(chain(&error)),
        }
    }
}
