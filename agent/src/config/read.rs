//! A merged document becomes a [`Config`], or the list of all that is wrong with it.

use ::config::{Path, Problem, Reveal, Step, Value};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::{Config, ConfigWatcher, problem};

impl Config {
    /// The settings that a document says, once `adjust` has changed them.
    ///
    /// # Errors
    /// Every mistake: one per section of what is not of its type, and all values that cannot work.
    pub fn read(document: &Value, adjust: impl FnOnce(&mut Self)) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut config = sections(document, &mut problems);
        adjust(&mut config);
        let unusable = config.validate().into_iter();
        problems.extend(unusable.map(|problem| placed(problem, document)));
        match problems.is_empty() {
            true => Ok(config),
            false => Err(problems),
        }
    }

    /// The section that says where further settings come from; that of nobody when it cannot be read.
    pub(crate) fn watcher(document: &Value) -> ConfigWatcher {
        section(document, "config", &mut Vec::new())
    }
}

/// Reads each section by itself, so that a mistake in one does not hide those in the others.
fn sections(document: &Value, problems: &mut Vec<Problem>) -> Config {
    macro_rules! sections {
        ($($name:ident),*) => {
            Config { $($name: section(document, stringify!($name), problems)),* }
        };
    }
    sections!(
        scope, probes, runtime, metrics, http, recent, otlp, loki, registry, config
    )
}

fn section<T>(document: &Value, name: &str, problems: &mut Vec<Problem>) -> T
where
    T: DeserializeOwned + Default,
{
    let path = Path::root().key(name);
    let Some(value) = document.get(&path) else {
        return T::default();
    };
    let json = value.to_json(Reveal::Plain);
    match serde_path_to_error::deserialize::<_, Option<T>>(json) {
        Ok(section) => section.unwrap_or_default(),
        Err(error) => {
            let inner = error.path().iter().filter_map(step);
            let path = path.steps().iter().cloned().chain(inner).collect();
            let message = error.into_inner().to_string();
            problems.push(at(path, "type", message, document));
            T::default()
        }
    }
}

fn step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Seq { index } => Some(Step::At(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

fn placed(problem: problem::Problem, document: &Value) -> Problem {
    // What a check names is a path, but for keys of users, which may be anything.
    let path = problem.path.parse();
    let path = path.unwrap_or_else(|_| Path::root().key(&*problem.path));
    at(path, "value", problem.message, document)
}

/// A problem at `path`, with the place of the innermost value on the way there.
fn at(path: Path, rule: &str, message: String, document: &Value) -> Problem {
    let mut way: &[Step] = path.steps();
    let origin = loop {
        let here = way.iter().cloned().collect();
        if let Some(value) = document.get(&here) {
            break value.origin.clone();
        }
        match way.split_last() {
            Some((_, shorter)) => way = shorter,
            None => break document.origin.clone(),
        }
    };
    Problem::new(path, rule, message).from(origin)
}
