//! What is wrong with a configuration, said all at once.

use std::{fmt, io, path::PathBuf};

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Dotted path of the setting, such as `probes.ring`; empty for the file as a whole.
    pub path: String,
    /// Line in the file, counted from 1, where the text itself is wrong.
    pub line: Option<usize>,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl Problem {
    /// A mistake in the value of a setting.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has mistakes.
    #[error("{} has {} mistake(s){}", path.display(), problems.len(), listed(problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All mistakes that were found.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// A word from a fixed set, for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config_unreadable",
            Self::Invalid { .. } => "config_invalid",
        }
    }
}

fn listed(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect()
}
