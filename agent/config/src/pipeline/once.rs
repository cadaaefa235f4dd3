//! A document built once, for checks before it is put anywhere.

use super::{Definition, Hooks, Rejection, build::build};
use crate::{Origin, Path, Place, Problem, Reading, SourceError, SourceId, Stage, Value};

/// A document that would be refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("refused at the step `{}`: {} mistake(s)", stage.as_str(), problems.len())]
pub struct Refused {
    /// Where it fails.
    pub stage: Stage,
    /// Every mistake, masked.
    pub problems: Vec<Problem>,
}

/// Reads the sources of a document once and builds it; nothing is kept or put in force. With `before`, the
/// document's version must follow on that one's.
///
/// # Errors
/// What the watcher would refuse it for. A source that is not there is an error here.
pub async fn read_once(
    definition: &Definition,
    hooks: &Hooks,
    before: Option<&Value>,
) -> Result<Value, Refused> {
    let (mut contents, mut problems) = (Vec::new(), Vec::new());
    for source in definition.ordered() {
        match source.read().await {
            Ok(Reading::Present(content)) => contents.push((source.id(), content)),
            Ok(Reading::Absent) => problems.push(unread(&source.id(), "is not there")),
            Err(SourceError { reason, .. }) => problems.push(unread(&source.id(), &reason)),
        }
    }
    if !problems.is_empty() {
        let stage = Stage::Read;
        return Err(Refused { stage, problems });
    }
    let value = build(definition, hooks, &contents, None).await?;
    let rule = definition.versions.as_ref();
    let problem = rule
        .filter(|_| before.is_none_or(|before| before.differs(&value)))
        .and_then(|rule| rule.check(before, &value));
    match problem {
        None => Ok(value),
        Some(problem) => Err(Rejection::new(Stage::Version, vec![problem]).into()),
    }
}

fn unread(source: &SourceId, reason: &str) -> Problem {
    let place = Place {
        kind: source.kind,
        source: source.name.clone(),
        version: String::new(),
        name: source.name.clone(),
    };
    let origin = Origin {
        place: place.into(),
        mark: None,
    };
    Problem::new(Path::root(), "source", reason).from(origin)
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        let Rejection {
            stage, problems, ..
        } = rejection;
        Self { stage, problems }
    }
}
