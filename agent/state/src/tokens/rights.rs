//! Rights by namespace.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// What a caller may do in a namespace. Each right includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// See services, keys and sessions.
    Read,
    /// Change them.
    Write,
    /// Change tokens, nodes and snapshots.
    Admin,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "administer",
        })
    }
}

/// The greatest right in each namespace. A name that ends with `*` stands for all that begin so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights {
    grants: BTreeMap<String, Right>,
}

impl Rights {
    /// No right anywhere.
    pub fn none() -> Self {
        Self::default()
    }

    /// All rights everywhere.
    pub fn all() -> Self {
        Self::none().grant("*", Right::Admin)
    }

    /// Adds a right in a namespace.
    #[must_use]
    pub fn grant(mut self, namespace: impl Into<String>, right: Right) -> Self {
        let granted = self.grants.entry(namespace.into()).or_insert(right);
        *granted = right.max(*granted);
        self
    }

    /// All rights of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let grants = other.grants.into_iter();
        grants.fold(self, |rights, (namespace, right)| {
            rights.grant(namespace, right)
        })
    }

    /// Whether they include `right` in `namespace`. Only a grant for `*` reaches what belongs to no
    /// namespace, which callers ask for as `*`.
    pub fn allow(&self, right: Right, namespace: &str) -> bool {
        self.grants.iter().any(|(name, granted)| {
            let matches = match name.strip_suffix('*') {
                Some(beginning) => namespace.starts_with(beginning),
                None => name == namespace,
            };
            matches && *granted >= right
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_reaches_as_far_as_its_namespace() {
        let rights = Rights::none()
            .grant("team-*", Right::Read)
            .grant("team-a", Right::Write);
        assert!(rights.allow(Right::Write, "team-a"));
        assert!(rights.allow(Right::Read, "team-a"));
        assert!(rights.allow(Right::Read, "team-b"));
        assert!(!rights.allow(Right::Write, "team-b"));
        assert!(!rights.allow(Right::Admin, "team-a"));
        assert!(!rights.allow(Right::Read, "default"));
        assert!(!rights.allow(Right::Read, "*"));
        assert!(Rights::all().allow(Right::Admin, "*"));
    }

    #[test]
    fn a_lesser_grant_takes_nothing_away() {
        let rights = Rights::none()
            .grant("a", Right::Admin)
            .grant("a", Right::Read);
        assert!(rights.allow(Right::Admin, "a"));
    }
}
