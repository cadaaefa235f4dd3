//! How a filter reaches the fields of an entry.

use std::collections::BTreeMap;

use crate::model::Meta;

/// What a selector finds in an entry.
#[derive(Debug, PartialEq)]
pub(crate) enum Selected<'a> {
    /// A text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A list of texts.
    Texts(&'a [String]),
    /// The keys of a map.
    Keys(Vec<&'a str>),
    /// The same field of each entry of a list, of which one must match.
    Each(Vec<Selected<'a>>),
    /// A map has no such key.
    Absent,
    /// There is no such field.
    Unknown,
}

/// An entry that filters can look into; what is found lives in what the entry refers to.
///
/// A field that exists is found in a blank entry too, if need be as [`Selected::Absent`]: that is how a filter
/// is checked before there are entries.
pub(crate) trait Select<'a> {
    /// Follows `path`, whose parts are field names and map keys.
    fn select(&self, path: &[&str]) -> Selected<'a>;
}

/// Selects in a map of texts: without a further part its keys, else one value.
#[must_use]
pub(crate) fn map_entry<'a>(map: &'a BTreeMap<String, String>, path: &[&str]) -> Selected<'a> {
    match path {
        [] => Selected::Keys(map.keys().map(String::as_str).collect()),
        [key] => map
            .get(*key)
            .map_or(Selected::Absent, |value| Selected::Text(value)),
        _ => Selected::Unknown,
    }
}

/// A value of an instance's metadata, or its keys.
pub(crate) fn meta_entry<'a>(meta: &'a Meta, path: &[&str]) -> Selected<'a> {
    match path {
        [] => Selected::Keys(meta.iter().map(|(key, _)| key).collect()),
        [key] => meta.get(key).map_or(Selected::Absent, Selected::Text),
        _ => Selected::Unknown,
    }
}

/// `leaf` when the selector ends here, else nothing: a text has no fields.
#[must_use]
pub(crate) fn rest_of<'a>(path: &[&str], leaf: Selected<'a>) -> Selected<'a> {
    if path.is_empty() {
        leaf
    } else {
        Selected::Unknown
    }
}
