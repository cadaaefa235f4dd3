//! Contents become a document: parse, decrypt, merge, validate.

use std::sync::Arc;

use super::{Definition, Hooks, Rejection};
use crate::{
    Content, Data, Decrypt, DocumentId, Kind, Origin, Part, Path, Place, Problem, Published,
    SourceId, Stage, Value, format, value::merge,
};

/// Builds the document that `contents` make.
pub(super) async fn build(
    definition: &Definition,
    hooks: &Hooks,
    contents: &[(SourceId, Content)],
    running: Option<&Published>,
) -> Result<Value, Rejection> {
    let mut layers = parse(contents, running)?;
    if let Some(decrypt) = &hooks.decrypt {
        let mut failed = Failed::default();
        for layer in &mut layers {
            open(layer, &**decrypt, &definition.id, &mut failed).await;
        }
        failed.into_result()?;
    }
    let document = layers.into_iter().reduce(merge);
    let document = document.unwrap_or_else(|| empty(&definition.id));
    let problems = validate(definition, hooks, &document);
    match problems.is_empty() {
        true => Ok(document),
        false => Err(Rejection::new(Stage::Validate, problems)),
    }
}

/// The document that `contents` make, with sealed values as they are, and whatever its schema says.
pub(crate) async fn build_kept(
    id: &DocumentId,
    contents: &[(SourceId, Content)],
) -> Result<Value, Vec<Problem>> {
    let definition = Definition::new(id.clone(), Vec::new());
    let built = build(&definition, &Hooks::default(), contents, None).await;
    built.map_err(|rejection| rejection.problems)
}

/// Every mistake in a document, in the order of their places.
fn validate(definition: &Definition, hooks: &Hooks, document: &Value) -> Vec<Problem> {
    let schema = definition.schema.as_ref();
    let mut problems = schema.map_or_else(Vec::new, |schema| schema.check(document, &*hooks.mask));
    for check in &definition.checks {
        let told = |other: &Problem| problems.iter().any(|problem| problem.is_about(&other.path));
        let mut more = check.check(document);
        more.retain(|problem| !told(problem));
        for problem in &mut more {
            problem.message = hooks.mask.text(&problem.message);
        }
        problems.extend(more);
    }
    Problem::sort(&mut problems);
    problems
}

/// The values of all parts, lowest precedence first; every part that cannot be read is told.
fn parse(
    contents: &[(SourceId, Content)],
    running: Option<&Published>,
) -> Result<Vec<Value>, Rejection> {
    let (mut values, mut emptied, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for (source, content) in contents {
        for part in &content.parts {
            let place = place(source, content, part);
            match format::parse(part, &place) {
                Ok(Some(value)) => values.push(value),
                Ok(None) if held_values(running, source, part) => {
                    let message = "is empty and was not before; write {} where nothing is meant";
                    let problem = Problem::new(part.path(), "emptied", message);
                    emptied.push(problem.from(Origin { place, mark: None }));
                }
                Ok(None) => {}
                Err(problem) => unreadable.push(*problem),
            }
        }
    }
    match (unreadable.is_empty(), emptied.is_empty()) {
        (false, _) => Err(Rejection::new(Stage::Parse, unreadable)),
        (true, false) => Err(Rejection::new(Stage::Read, emptied)),
        (true, true) => Ok(values),
    }
}

/// Whether the running generation has values of this part: then nothing at all is a file that is cut off.
fn held_values(running: Option<&Published>, source: &SourceId, part: &Part) -> bool {
    let layers = running.map_or(&[][..], |running| &running.layers);
    layers
        .iter()
        .filter(|(other, _)| other == source)
        .flat_map(|(_, content)| content.parts.iter().map(move |other| (content, other)))
        .filter(|(_, other)| other.name == part.name)
        .any(|(content, other)| {
            let parsed = format::parse(other, &place(source, content, other));
            matches!(parsed, Ok(Some(_)))
        })
}

fn place(source: &SourceId, content: &Content, part: &Part) -> Arc<Place> {
    Arc::new(Place {
        kind: source.kind,
        source: source.name.clone(),
        version: content.version.0.clone(),
        name: part.name.clone(),
    })
}

#[derive(Default)]
struct Failed {
    problems: Vec<Problem>,
    is_transient: bool,
}

impl Failed {
    fn into_result(self) -> Result<(), Rejection> {
        match self.problems.is_empty() {
            true => Ok(()),
            false => Err(Rejection {
                stage: Stage::Decrypt,
                problems: self.problems,
                is_transient: self.is_transient,
            }),
        }
    }
}

/// Opens the sealed values of a layer.
async fn open(layer: &mut Value, decrypt: &dyn Decrypt, id: &DocumentId, failed: &mut Failed) {
    let mut sealed = Vec::new();
    layer.leaves(&mut |path, leaf| {
        if let Data::Text(text) = &leaf.data
            && decrypt.is_sealed(text)
        {
            sealed.push((path.clone(), text.clone(), leaf.origin.clone()));
        }
    });
    for (path, text, origin) in sealed {
        match decrypt.open(id, &path, &text).await {
            Ok(secret) => {
                if let Some(value) = layer.get_mut(&path) {
                    value.data = Data::Secret(secret);
                }
            }
            Err(error) => {
                failed.is_transient |= error.is_transient;
                let problem = Problem::new(path, "decrypt", error.to_string());
                failed.problems.push(problem.from(origin));
            }
        }
    }
}

/// What a document is whose sources say nothing.
fn empty(id: &DocumentId) -> Value {
    let place = Place {
        kind: Kind::Default,
        source: String::new(),
        version: String::new(),
        name: id.to_string(),
    };
    let origin = Origin {
        place: Arc::new(place),
        mark: None,
    };
    Value {
        data: Data::Map([].into()),
        origin,
    }
}

/// A problem that has no place in the document.
pub(super) fn whole(rule: &str, message: impl Into<String>) -> Vec<Problem> {
    vec![Problem::new(Path::root(), rule, message)]
}
