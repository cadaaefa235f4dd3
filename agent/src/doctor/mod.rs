//! Checks that tell whether this machine can be observed, and what to do where it cannot.

mod kernel;
mod resolver;
mod rights;
mod surroundings;

use serde::Serialize;

use crate::config::Config;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Something golens can do without is missing.
    Warn,
    /// Observing does not work.
    Fail,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked: `kernel`, `CAP_BPF`, `ring buffer`.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// What was found, and what does not work without it.
    pub detail: String,
    /// What to do about it; none when all is well.
    pub remedy: Option<String>,
}

impl Check {
    /// All is well.
    #[must_use]
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Ok,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// golens works, with less.
    #[must_use]
    pub fn warn(
        name: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Warn,
            remedy: Some(remedy.into()),
            ..Self::ok(name, detail)
        }
    }

    /// golens does not work.
    #[must_use]
    pub fn fail(
        name: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Fail,
            ..Self::warn(name, detail, remedy)
        }
    }
}

/// Checks kernel, rights, surroundings, and loads and attaches for proof.
#[must_use]
pub fn checks(config: &Config) -> Vec<Check> {
    let mut all = kernel::checks();
    all.extend(rights::checks());
    all.push(resolver::check());
    all.extend(crate::probe::doctor::checks());
    all.extend(surroundings::checks(config));
    all
}

/// An error with its causes, in one line.
#[must_use]
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
