//! What is wrong with settings, said all at once.

use std::fmt;

/// A value that is of its type and cannot work all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path of the setting, such as `probes.ring`.
    pub path: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl Problem {
    /// A mistake in the value of a setting.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// Settings that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{} mistake(s) in the settings{}", problems.len(), listed(problems))]
pub struct ConfigError {
    /// All mistakes, each with its place.
    pub problems: Vec<::config::Problem>,
}

impl ConfigError {
    /// A word from a fixed set, for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        "config_invalid"
    }
}

fn listed(problems: &[impl fmt::Display]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect()
}
