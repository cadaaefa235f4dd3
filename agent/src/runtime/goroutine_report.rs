//! What is kept of a target's goroutines between two profiles.

use serde::Serialize;

use super::{leaks::Leak, profile::Profile};
use crate::clock::UnixNanos;

/// The last profile of one target and its leaks, as the API shows them.
#[derive(Clone, Debug, Serialize)]
pub struct GoroutineReport {
    /// `service.name`.
    pub service: String,
    /// When the profile was taken.
    pub taken_unix_nano: UnixNanos,
    /// The profile.
    #[serde(flatten)]
    pub profile: Profile,
    /// Creation sites that leak, the largest first.
    pub leaks: Vec<Leak>,
    /// The attempt after this profile, when it failed.
    pub failed: Option<FailedProfile>,
}

/// An attempt to take a profile that gave none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedProfile {
    /// When it was.
    pub unix_nano: UnixNanos,
    /// Why.
    pub reason: String,
}
