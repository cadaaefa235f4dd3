//! What one run of a check found.

use super::ProbeError;
use crate::{error::chain, model::Status};

/// Bytes of an answer that are kept; more is for logs.
pub(super) const MOST_OUTPUT: usize = 4 * 1024;

/// What one run of a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    /// For people, at most 4 KiB and a few words.
    pub(crate) output: String,
}

impl Outcome {
    pub(super) fn passing(output: String) -> Self {
        let status = Status::Passing;
        Self { status, output }
    }

    /// What was found, or, as critical, why nothing was.
    pub(super) fn of(result: Result<Self, ProbeError>) -> Self {
        result.unwrap_or_else(|error| Self {
            status: Status::Critical,
            output: shortened(chain(&error)),
        })
    }
}

/// The text, cut where it is too long.
pub(super) fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MOST_OUTPUT));
    text
}
