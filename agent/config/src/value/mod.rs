//! The values of a document, each with the place it came from.

mod diff;
mod merge;
mod render;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Number;

use crate::{Kind, Path, Secret, Step};

pub use diff::{Change, Diff};
pub(crate) use merge::merge;
pub use render::Reveal;

/// A file, key or environment variable that values came from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// The kind of source, which is what precedence is about.
    pub kind: Kind,
    /// Name of the source among those of the document.
    pub source: String,
    /// Version of the source's content, such as a release key or the beginning of a hash.
    pub version: String,
    /// The file, key or variable.
    pub name: String,
}

/// Line and column, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Mark {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Origin {
    /// The file or key.
    #[serde(flatten)]
    pub place: Arc<Place>,
    /// Where in it, if it is a text with lines.
    #[serde(flatten)]
    pub mark: Option<Mark>,
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The value.
    pub data: Data,
    /// Where it came from. Of a mapping that several layers contribute to: the highest of them.
    pub origin: Origin,
}

/// A value without its place.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number: an integer of 64 bits, or a finite one of double precision.
    Number(Number),
    /// A text.
    Text(String),
    /// A text that was sealed in its source; only in memory.
    Secret(Secret),
    /// A list.
    List(Vec<Value>),
    /// Values by key.
    Map(BTreeMap<String, Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the key stands.
    pub key: Origin,
    /// The value.
    pub value: Value,
}

impl Value {
    /// The value at `path`.
    #[must_use]
    pub fn get(&self, path: &Path) -> Option<&Self> {
        path.steps()
            .iter()
            .try_fold(self, |value, step| match (&value.data, step) {
                (Data::Map(entries), Step::Key(key)) => Some(&entries.get(key)?.value),
                (Data::List(values), Step::At(index)) => values.get(*index),
                _ => None,
            })
    }

    /// Whether the values differ, wherever they came from.
    #[must_use]
    pub fn differs(&self, other: &Self) -> bool {
        match (&self.data, &other.data) {
            (Data::List(these), Data::List(others)) => {
                these.len() != others.len()
                    || these
                        .iter()
                        .zip(others)
                        .any(|(this, other)| this.differs(other))
            }
            (Data::Map(these), Data::Map(others)) => {
                !these.keys().eq(others.keys())
                    || these
                        .values()
                        .zip(others.values())
                        .any(|(this, other)| this.value.differs(&other.value))
            }
            (this, other) => this != other,
        }
    }

    pub(crate) fn get_mut(&mut self, path: &Path) -> Option<&mut Self> {
        path.steps()
            .iter()
            .try_fold(self, |value, step| match (&mut value.data, step) {
                (Data::Map(entries), Step::Key(key)) => Some(&mut entries.get_mut(key)?.value),
                (Data::List(values), Step::At(index)) => values.get_mut(*index),
                _ => None,
            })
    }

    /// Calls `visit` with every value that has no values inside, in the order of keys.
    pub fn leaves<'a>(&'a self, visit: &mut dyn FnMut(&Path, &'a Self)) {
        self.walk(&Path::root(), visit);
    }

    /// Whether there is an opened secret in it.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        match &self.data {
            Data::Secret(_) => true,
            Data::Map(entries) => entries.values().any(|entry| entry.value.has_secrets()),
            Data::List(values) => values.iter().any(Self::has_secrets),
            _ => false,
        }
    }

    fn walk<'a>(&'a self, path: &Path, visit: &mut dyn FnMut(&Path, &'a Self)) {
        match &self.data {
            Data::Map(entries) if !entries.is_empty() => {
                for (key, entry) in entries {
                    entry.value.walk(&path.key(key), visit);
                }
            }
            Data::List(values) if !values.is_empty() => {
                for (index, value) in values.iter().enumerate() {
                    value.walk(&path.at(index), visit);
                }
            }
            _ => visit(path, self),
        }
    }
}

impl Data {
    /// What it is, in a word of JSON Schema.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(number) if number.is_f64() => "number",
            Self::Number(_) => "integer",
            Self::Text(_) | Self::Secret(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }
}
