//! Known names, and the one that was perhaps meant.

use serde_json::Value as Json;

/// The names that a schema lists for an object.
pub(super) fn known(schema: Option<&Json>) -> Vec<&str> {
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    properties.map_or_else(Vec::new, |properties| {
        properties.keys().map(String::as_str).collect()
    })
}

/// The known name that differs least, if it differs by a third at most.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = normal(name);
    let distance = |other: &str| strsim::damerau_levenshtein(&plain, &normal(other));
    let nearest = known.iter().copied().min_by_key(|other| distance(other))?;
    let most = (plain.chars().count() / 3).max(1);
    (distance(nearest) <= most).then_some(nearest)
}

/// Names that differ by case or by the kind of dash are the same to a person.
fn normal(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}
