//! What is wrong with a document, said all at once.

use std::fmt;

use serde::Serialize;

use crate::{Origin, Path};

/// One mistake. What it shows of a value is masked already.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// The value that is wrong; the root for a part as a whole.
    pub path: Path,
    /// Where it stands.
    #[serde(flatten)]
    pub origin: Option<Origin>,
    /// The rule it breaks, such as `syntax`, `decrypt`, `component`, or a keyword of JSON Schema.
    pub rule: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// What was perhaps meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A mistake with nothing but a message.
    #[must_use]
    pub fn new(path: Path, rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path,
            origin: None,
            rule: rule.into(),
            message: message.into(),
            expected: None,
            got: None,
            hint: None,
        }
    }

    /// Whether it is about the value at `path`, one inside of it, or one around it.
    pub(crate) fn is_about(&self, path: &Path) -> bool {
        let (this, other) = (self.path.steps(), path.steps());
        let shared = this.len().min(other.len());
        this.iter().take(shared).eq(other.iter().take(shared))
    }

    /// Puts problems into the order of their places.
    pub(crate) fn sort(problems: &mut [Self]) {
        let place = |problem: &Self| {
            let origin = problem.origin.as_ref();
            let name = origin.map_or_else(String::new, |origin| origin.place.name.clone());
            let mark = origin.and_then(|origin| origin.mark);
            (name, mark, problem.path.clone())
        };
        problems.sort_by_cached_key(place);
    }

    /// The same, with its place.
    #[must_use]
    pub fn from(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }
}

impl fmt::Display for Problem {
    /// `golens.yaml:3:9: probes.ring: is no multiple of 4096: expected 8192, got 5000; did you mean ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.path.steps().is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match (&self.expected, &self.got) {
            (Some(expected), Some(got)) => write!(f, ": expected {expected}, got {got}")?,
            (Some(expected), None) => write!(f, ": expected {expected}")?,
            (None, Some(got)) => write!(f, ": got {got}")?,
            (None, None) => {}
        }
        if let Some(hint) = &self.hint {
            write!(f, "; did you mean `{hint}`?")?;
        }
        Ok(())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place.name)?;
        if let Some(mark) = self.mark {
            write!(f, ":{}:{}", mark.line, mark.column)?;
        }
        Ok(())
    }
}
