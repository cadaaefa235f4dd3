//! Tokens and rights.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a caller may do in a namespace.
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

/// Rights by namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    grants: Vec<(String, Right)>,
}

impl Rights {
    /// All rights everywhere.
    pub fn all() -> Self {
        Self {
            grants: vec![("*".to_owned(), Right::Admin)],
        }
    }

    /// Whether they reach so far.
    pub fn allow(&self, right: Right, namespace: &str) -> bool {
        self.grants
            .iter()
            .any(|(name, granted)| (name == "*" || name == namespace) && *granted >= right)
    }
}
