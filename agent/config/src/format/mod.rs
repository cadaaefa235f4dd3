//! Bytes of a part become values that know their places.

mod edit;
mod json;
mod lines;
mod scalar;
mod toml;
mod yaml;

use std::sync::Arc;

pub use edit::{TextFile, TextFileError};

use crate::{Data, Entry, Format, Mark, Origin, Part, Path, Place, Problem, Value};

/// Most bytes of a part.
pub(crate) const MOST_BYTES: usize = 4 << 20;

/// Most values in a part, those that aliases repeat included.
const MOST_VALUES: usize = 200_000;

/// Deepest nesting.
const DEEPEST: usize = 64;

/// What is wrong with a text, and where.
#[derive(Debug)]
struct Fault {
    mark: Option<Mark>,
    message: String,
}

impl Fault {
    fn new(mark: Mark, message: impl Into<String>) -> Self {
        Self {
            mark: Some(mark),
            message: message.into(),
        }
    }
}

/// The values of a part, put where the part belongs; `None` when the part holds nothing at all: no bytes,
/// or comments only.
///
/// # Errors
/// The first mistake that makes the part unreadable, with its place. It shows nothing of a value.
pub(crate) fn parse(part: &Part, place: &Arc<Place>) -> Result<Option<Value>, Box<Problem>> {
    let value = read(part, place).map_err(|fault| {
        let origin = Origin {
            place: Arc::clone(place),
            mark: fault.mark,
        };
        Box::new(Problem::new(part.path(), "syntax", fault.message).from(origin))
    })?;
    Ok(value.map(|value| put_at(&part.at, value)))
}

fn read(part: &Part, place: &Arc<Place>) -> Result<Option<Value>, Fault> {
    let whole = |message: String| Fault {
        mark: None,
        message,
    };
    if part.bytes.len() > MOST_BYTES {
        let message = format!(
            "has {} bytes; at most {MOST_BYTES} are read",
            part.bytes.len()
        );
        return Err(whole(message));
    }
    let text = std::str::from_utf8(&part.bytes).map_err(|error| {
        let at = error.valid_up_to();
        whole(format!("is no UTF-8 text: byte {at} fits no character"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match part.format {
        Format::Yaml => yaml::parse(text, place),
        Format::Json => json::parse(text, place),
        Format::Toml => toml::parse(text, place),
        Format::Scalar => Ok(Some(unmarked(
            scalar::plain(text.trim()).map_err(whole)?,
            place,
        ))),
        Format::Text => Ok(Some(unmarked(Data::Text(text.to_owned()), place))),
    }
}

fn unmarked(data: Data, place: &Arc<Place>) -> Value {
    let origin = Origin {
        place: Arc::clone(place),
        mark: None,
    };
    Value { data, origin }
}

/// Wraps a value into the mappings of the keys that lead to it.
fn put_at(keys: &[String], value: Value) -> Value {
    keys.iter().rev().fold(value, |value, key| {
        let origin = value.origin.clone();
        let entry = Entry {
            key: origin.clone(),
            value,
        };
        Value {
            data: Data::Map([(key.clone(), entry)].into()),
            origin,
        }
    })
}

impl Format {
    /// The format of a file by the end of its name, else by how its content begins: a brace is JSON, a
    /// table's head or a first `key = value` is TOML, and everything else is YAML.
    #[must_use]
    pub fn of_file(name: &str, content: &[u8]) -> Self {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("yaml" | "yml") => Self::Yaml,
            Some("json") => Self::Json,
            Some("toml") => Self::Toml,
            _ => Self::of_content(content),
        }
    }

    fn of_content(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        let meaningful = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let Some(first) = text.lines().map(str::trim).find(meaningful) else {
            return Self::Yaml;
        };
        let is_head = first.starts_with('[') && first.ends_with(']') && !first.contains([',', '"']);
        let is_assignment = || {
            first.split_once('=').is_some_and(|(key, _)| {
                let bare = |c: char| c.is_ascii_alphanumeric() || "-_.\" ".contains(c);
                !key.is_empty() && key.chars().all(bare)
            })
        };
        match () {
            () if first.starts_with('{') => Self::Json,
            () if is_head || is_assignment() => Self::Toml,
            () => Self::Yaml,
        }
    }
}

/// Counts values and depth, so that no text costs more than its size justifies.
#[derive(Default)]
struct Size {
    values: usize,
}

impl Size {
    fn value(&mut self, mark: Mark) -> Result<(), Fault> {
        self.values += 1;
        match self.values > MOST_VALUES {
            true => Err(Fault::new(mark, format!("more than {MOST_VALUES} values"))),
            false => Ok(()),
        }
    }

    fn depth(depth: usize, mark: Mark) -> Result<(), Fault> {
        match depth > DEEPEST {
            true => Err(Fault::new(mark, format!("nested deeper than {DEEPEST}"))),
            false => Ok(()),
        }
    }
}

fn twice(key: &str, first: &Origin, mark: Mark) -> Fault {
    let line = first.mark.map_or(0, |mark| mark.line);
    let path = Path::root().key(key);
    Fault::new(
        mark,
        format!("the key {path} is there twice, first on line {line}"),
    )
}

#[cfg(test)]
mod tests;
