//! An error of the validator in the words of a user, at its place, without a secret.

use jsonschema::{
    ValidationError,
    error::ValidationErrorKind as Kind,
    paths::{Location, LocationSegment},
};
use serde_json::Value as Json;

use super::names;
use crate::{Data, Mask, Path, Problem, Reveal, Step, Value};

/// Most characters of a value that are shown.
const SHOWN: usize = 60;

/// Adds what is wrong to `problems`.
pub(super) fn explain(
    error: &ValidationError<'_>,
    schema: &Json,
    document: &Value,
    mask: &dyn Mask,
    problems: &mut Vec<Problem>,
) {
    let path = path(error.instance_path());
    let rule = at(schema, error.schema_path());
    let parent = parent(schema, error.schema_path());
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = names::known(parent);
            for key in unexpected {
                problems.push(unknown_key(document, &path, key, &known));
            }
        }
        Kind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let problem = Problem::new(path.key(key), "required", "is missing");
            problems.push(placed(problem, document, &path));
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            match meant(context, error.instance_path()) {
                Some(branch) => {
                    for error in branch {
                        explain(error, schema, document, mask, problems);
                    }
                }
                None => problems.push(broken(error, (rule, parent), document, &path, mask)),
            }
        }
        _ => problems.push(broken(error, (rule, parent), document, &path, mask)),
    }
}

/// The one alternative that was surely meant: the only one whose type fits.
fn meant<'a>(
    branches: &'a [Vec<ValidationError<'static>>],
    place: &Location,
) -> Option<&'a [ValidationError<'static>]> {
    let fits = |branch: &&Vec<ValidationError<'static>>| {
        !branch.iter().any(|error| {
            let is_whole = error.instance_path() == place;
            is_whole && matches!(error.kind(), Kind::Type { .. } | Kind::Constant { .. })
        })
    };
    let mut fitting = branches.iter().filter(fits);
    let first = fitting.next()?;
    fitting.next().is_none().then_some(first)
}

fn unknown_key(document: &Value, path: &Path, key: &str, known: &[&str]) -> Problem {
    let whole = path.key(key);
    let mut problem = Problem::new(whole, "unknown_key", "is not known");
    let entry = document.get(path).and_then(|value| match &value.data {
        Data::Map(entries) => entries.get(key),
        _ => None,
    });
    problem.origin = entry.map(|entry| entry.key.clone());
    problem.hint = names::nearest(key, known).map(str::to_owned);
    problem.expected = (!known.is_empty()).then(|| format!("one of {}", known.join(", ")));
    problem
}

fn broken(
    error: &ValidationError<'_>,
    (rule, parent): (Option<&Json>, Option<&Json>),
    document: &Value,
    path: &Path,
    mask: &dyn Mask,
) -> Problem {
    let keyword = error.kind().keyword();
    let message = format!("does not fit `{keyword}`");
    let mut problem = placed(Problem::new(path.clone(), keyword, message), document, path);
    let examples = (keyword == "pattern").then(|| examples(parent)).flatten();
    problem.expected = examples.or_else(|| rule.map(|rule| expected(keyword, rule)));
    problem.got = document.get(path).map(|value| got(value, path, mask));
    problem
}

/// The problem with the place of the value at `path`.
fn placed(mut problem: Problem, document: &Value, path: &Path) -> Problem {
    problem.origin = document.get(path).map(|value| value.origin.clone());
    problem
}

/// What a person understands better than a pattern: the examples beside it.
fn examples(schema: Option<&Json>) -> Option<String> {
    let examples: Vec<_> = schema?.get("examples")?.as_array()?.iter().collect();
    let (last, others) = examples.split_last()?;
    let others: Vec<_> = others.iter().map(ToString::to_string).collect();
    Some(match others.is_empty() {
        true => format!("a text such as {last}"),
        false => short(&format!("a text such as {} or {last}", others.join(", "))),
    })
}

fn expected(keyword: &str, rule: &Json) -> String {
    let shown = short(&plain(rule));
    match keyword {
        "type" => match rule {
            Json::Array(types) => types.iter().map(plain).collect::<Vec<_>>().join(" or "),
            _ => shown,
        },
        "enum" => match rule {
            Json::Array(options) => {
                let options: Vec<_> = options.iter().map(plain).collect();
                short(&format!("one of {}", options.join(", ")))
            }
            _ => shown,
        },
        "maximum" => format!("at most {shown}"),
        "minimum" => format!("at least {shown}"),
        "exclusiveMaximum" => format!("less than {shown}"),
        "exclusiveMinimum" => format!("more than {shown}"),
        "maxLength" => format!("at most {shown} characters"),
        "minLength" => format!("at least {shown} characters"),
        "maxItems" => format!("at most {shown} elements"),
        "minItems" => format!("at least {shown} elements"),
        "multipleOf" => format!("a multiple of {shown}"),
        "pattern" => format!("a text that matches {shown}"),
        "format" => format!("a text of the format {shown}"),
        "uniqueItems" => "elements that are all different".to_owned(),
        "const" => shown,
        "anyOf" | "oneOf" => "one of the alternatives of the schema".to_owned(),
        _ => format!("{keyword} {shown}"),
    }
}

fn got(value: &Value, path: &Path, mask: &dyn Mask) -> String {
    match &value.data {
        Data::List(values) => format!("an array of {}", values.len()),
        Data::Map(_) => "an object".to_owned(),
        _ => short(&value.json_at(path, Reveal::Masked(mask)).to_string()),
    }
}

/// A text without quotes, anything else as JSON.
fn plain(json: &Json) -> String {
    json.as_str()
        .map_or_else(|| json.to_string(), str::to_owned)
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn path(location: &Location) -> Path {
    location
        .iter()
        .map(|segment| match segment {
            LocationSegment::Property(key) => Step::Key(key.into_owned()),
            LocationSegment::Index(index) => Step::At(index),
        })
        .collect()
}

fn at<'a>(schema: &'a Json, location: &Location) -> Option<&'a Json> {
    schema.pointer(location.as_str())
}

fn parent<'a>(schema: &'a Json, location: &Location) -> Option<&'a Json> {
    let (parent, _) = location.as_str().rsplit_once('/')?;
    schema.pointer(parent)
}
