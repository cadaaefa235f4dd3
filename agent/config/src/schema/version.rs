//! Documents with a version of their own.

use semver::Version;

use crate::{Data, Path, Problem, Value};

/// A document says at `path` which version it is, as `major.minor.patch`. A changed document needs a
/// higher one, and another major version is refused until the program that reads it is told to accept it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRule {
    /// Where the version is.
    pub path: Path,
    /// The highest major version that is accepted.
    pub accepted_major: u64,
}

impl VersionRule {
    /// What is wrong with the version of `next`, which differs from `now`.
    #[must_use]
    pub fn check(&self, now: Option<&Value>, next: &Value) -> Option<Problem> {
        let (message, expected) = match self.broken(now, next) {
            Ok(()) => return None,
            Err(broken) => broken,
        };
        let mut problem = Problem::new(self.path.clone(), "version", message);
        let value = next.get(&self.path);
        problem.origin = value.map(|value| value.origin.clone());
        problem.expected = Some(expected);
        Some(problem)
    }

    fn broken(&self, now: Option<&Value>, next: &Value) -> Result<(), (String, String)> {
        let Some(version) = self.version(next) else {
            let message = "is no semantic version".to_owned();
            return Err((message, "a text such as \"1.4.0\"".to_owned()));
        };
        if version.major > self.accepted_major {
            let message = format!("{version} is a major change that its readers were not made for");
            return Err((
                message,
                format!("major version {} at most", self.accepted_major),
            ));
        }
        match now.and_then(|now| self.version(now)) {
            Some(now) if version <= now => {
                let message =
                    format!("{version} does not follow on {now} though the document differs");
                Err((message, format!("a version above {now}, or a rollback")))
            }
            _ => Ok(()),
        }
    }

    fn version(&self, document: &Value) -> Option<Version> {
        match &document.get(&self.path)?.data {
            Data::Text(text) => Version::parse(text).ok(),
            _ => None,
        }
    }
}
