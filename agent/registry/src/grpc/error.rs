//! Errors as gRPC says them: a code, a sentence, and a reason that programs can read.

use std::{collections::HashMap, time::Duration};

use state::snapshot::SnapshotError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{Limited, RegistryError, error::chain};

/// Who defines the reasons.
const DOMAIN: &str = "registry.golens";

impl From<RegistryError> for Status {
    fn from(error: RegistryError) -> Self {
        let code = match &error {
            RegistryError::Denied { .. } => Code::PermissionDenied,
            RegistryError::UnknownInstance(_)
            | RegistryError::UnknownCheck(_)
            | RegistryError::UnknownNode(_) => Code::NotFound,
            RegistryError::NotTtl(_) | RegistryError::OtherNode(_) => Code::FailedPrecondition,
            RegistryError::State(_)
            | RegistryError::Snapshot(SnapshotError::Engine(_) | SnapshotError::Write(_)) => {
                Code::Unavailable
            }
            _ => Code::InvalidArgument,
        };
        with_reason(code, chain(&error), error.error_type())
    }
}

impl From<Limited> for Status {
    fn from(limited: Limited) -> Self {
        let mut details = ErrorDetails::with_error_info("limited", DOMAIN, HashMap::new());
        details.set_retry_info(Some(Duration::from_secs(limited.retry_after_s())));
        Self::with_error_details(Code::ResourceExhausted, limited.to_string(), details)
    }
}

/// The caller showed a token that is none.
pub(super) fn unknown_token() -> Status {
    let text = "the token is not known".to_owned();
    with_reason(Code::Unauthenticated, text, "token")
}

/// A field of a request is not what it must be.
pub(super) fn invalid(field: &str, reason: &str) -> Status {
    let text = format!("{field} {reason}");
    with_reason(Code::InvalidArgument, text, "invalid")
}

fn with_reason(code: Code, text: String, reason: &str) -> Status {
    let details = ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new());
    Status::with_error_details(code, text, details)
}
