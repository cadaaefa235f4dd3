//! Status of a check, and the health that many checks add up to.

use serde::{Deserialize, Serialize};

use super::Check;

/// What a check says. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Passing,
    /// It works, but somebody should look.
    Warning,
    /// It does not work.
    Critical,
}

impl Status {
    /// The word of Consul's API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Reads [`as_str`](Self::as_str) back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Passing, Self::Warning, Self::Critical]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// What several checks add up to. Maintenance is told apart: somebody asked for it, nothing is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// No check, or all of them pass.
    Passing,
    /// The worst check warns.
    Warning,
    /// The worst check is critical.
    Critical,
    /// A check of maintenance mode is present.
    Maintenance,
}

impl Health {
    /// The worst of `checks`; [`Health::Passing`] without any.
    pub fn of<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Self {
        checks
            .into_iter()
            .map(|check| match check.status {
                _ if check.is_maintenance() => Self::Maintenance,
                Status::Passing => Self::Passing,
                Status::Warning => Self::Warning,
                Status::Critical => Self::Critical,
            })
            .max()
            .unwrap_or(Self::Passing)
    }

    /// The word of Consul's API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Maintenance => "maintenance",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_others_refused() {
        for status in [Status::Passing, Status::Warning, Status::Critical] {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        assert_eq!(Status::parse("Passing"), None);
    }
}
