//! The one number that orders all changes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Number of a change. Each change that writes has its own, and later ones have greater ones, also after
/// a restart, after the loss of the file, and after a restore.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// Revision of a store that nothing was written to. Clients of Consul's API take 0 for "no index" and
    /// 1 for "not ready", so counting begins behind both.
    pub const FIRST: Self = Self(2);

    /// The revision of the next change.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
