//! Texts of a file replaced where they stand; everything else stays as it is, byte by byte.

use std::{ops::Range, sync::Arc};

use zeroize::Zeroizing;

use super::{json, lines::Lines, parse, toml, yaml};
use crate::{Data, Format, Kind, Part, Path, Place, Problem, Value};

/// A file of settings, and the text it was read from.
pub struct TextFile {
    text: Zeroizing<String>,
    place: Arc<Place>,
    format: Format,
    value: Value,
}

/// Why texts of a file were not replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextFileError {
    /// It cannot be read.
    #[error("{0}")]
    Syntax(Box<Problem>),
    /// It holds nothing at all.
    #[error("{name}: is empty")]
    Empty {
        /// Its name.
        name: String,
    },
    /// There is no such value.
    #[error("{name}: there is no value {path}")]
    Missing {
        /// Its name.
        name: String,
        /// Where it should be.
        path: Path,
    },
    /// The value is none that can be replaced by a text.
    #[error("{place}: {path}: is {found}, not a text: put it in quotes")]
    NoText {
        /// The file, line and column.
        place: String,
        /// The value.
        path: Path,
        /// What it is.
        found: &'static str,
    },
    /// The text is written in a way in which it cannot be replaced.
    #[error(
        "{place}: {path}: cannot be replaced as it is written: put it in double quotes, on one line, without anchor or tag"
    )]
    Unplaced {
        /// The file, line and column.
        place: String,
        /// The value.
        path: Path,
    },
}

impl TextFile {
    /// Reads a file; its format goes by its name and content.
    ///
    /// # Errors
    /// When it cannot be read, or is empty.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, TextFileError> {
        let place = Arc::new(Place {
            kind: Kind::File,
            source: name.to_owned(),
            version: String::new(),
            name: name.to_owned(),
        });
        let format = Format::of_file(name, bytes);
        let value = read(bytes, format, &place).map_err(TextFileError::Syntax)?;
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        Ok(Self {
            value: value.ok_or_else(|| TextFileError::Empty {
                name: name.to_owned(),
            })?,
            text: Zeroizing::new(text.to_owned()),
            place,
            format,
        })
    }

    /// All texts in it, in the order of keys.
    #[must_use]
    pub fn texts(&self) -> Vec<(Path, &str)> {
        let mut texts = Vec::new();
        self.value.leaves(&mut |path, leaf| {
            if let Data::Text(text) = &leaf.data {
                texts.push((path.clone(), text.as_str()));
            }
        });
        texts
    }

    /// The text at `path`.
    ///
    /// # Errors
    /// When there is no value, or one that is no text.
    pub fn text_at(&self, path: &Path) -> Result<&str, TextFileError> {
        let value = self.value.get(path).ok_or_else(|| TextFileError::Missing {
            name: self.place.name.clone(),
            path: path.clone(),
        })?;
        match &value.data {
            Data::Text(text) => Ok(text),
            other => Err(TextFileError::NoText {
                place: value.origin.to_string(),
                path: path.clone(),
                found: other.type_name(),
            }),
        }
    }

    /// The file with other texts at these paths, in double quotes.
    ///
    /// # Errors
    /// When there is no text, or it is written in a way in which it cannot be replaced.
    pub fn with(&self, edits: &[(&Path, &str)]) -> Result<Zeroizing<String>, TextFileError> {
        let mut places = Vec::new();
        for (path, text) in edits {
            places.push((self.range(path)?, *path, *text));
        }
        places.sort_by_key(|(range, ..)| range.start);
        let mut next = Zeroizing::new(String::new());
        let added: usize = edits.iter().map(|(_, text)| 6 * text.len() + 2).sum();
        // With its full size from the start, so that no piece of it is left behind by growth.
        next.reserve_exact(self.text.len() + added);
        let mut at = 0;
        for (range, path, text) in &places {
            let Some(between) = self.text.get(at..range.start) else {
                // Two values in one place: an anchor and its alias.
                return Err(self.unplaced(path));
            };
            next.push_str(between);
            next.push_str(&quoted(text));
            at = range.end;
        }
        next.push_str(self.text.get(at..).unwrap_or_default());
        self.must_be_with(&next, edits)?;
        Ok(next)
    }

    /// Makes sure that exactly these texts are others now.
    fn must_be_with(&self, next: &str, edits: &[(&Path, &str)]) -> Result<(), TextFileError> {
        let mut expected = self.value.clone();
        for (path, text) in edits {
            if let Some(value) = expected.get_mut(path) {
                value.data = Data::Text((*text).to_owned());
            }
        }
        let read = read(next.as_bytes(), self.format, &self.place);
        let is_right = matches!(read, Ok(Some(read)) if !read.differs(&expected));
        match (is_right, edits.first()) {
            (false, Some((path, _))) => Err(self.unplaced(path)),
            _ => Ok(()),
        }
    }

    /// The bytes that the text at `path` is written with, quotes included.
    fn range(&self, path: &Path) -> Result<Range<usize>, TextFileError> {
        self.text_at(path)?;
        let unmarked = &self.text;
        let text = unmarked.strip_prefix('\u{feff}').unwrap_or(unmarked);
        let skipped = unmarked.len() - text.len();
        let value = self.value.get(path);
        let mark = value.and_then(|value| value.origin.mark);
        let start = mark.and_then(|mark| Lines::of(text).offset(mark));
        let range = start.and_then(|start| match self.format {
            Format::Yaml => yaml::text_at(text, mark?),
            Format::Json => json::text_at(text, start),
            Format::Toml => toml::text_at(text, start),
            Format::Scalar | Format::Text => None,
        });
        let range = range.ok_or_else(|| self.unplaced(path))?;
        Ok(range.start + skipped..range.end + skipped)
    }

    fn unplaced(&self, path: &Path) -> TextFileError {
        let origin = self.value.get(path).map(|value| value.origin.to_string());
        TextFileError::Unplaced {
            place: origin.unwrap_or_else(|| self.place.name.clone()),
            path: path.clone(),
        }
    }
}

impl std::fmt::Debug for TextFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextFile")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

fn read(bytes: &[u8], format: Format, place: &Arc<Place>) -> Result<Option<Value>, Box<Problem>> {
    let part = Part {
        name: place.name.clone(),
        at: Vec::new(),
        format,
        bytes: bytes.into(),
    };
    parse(&part, place)
}

/// A text in double quotes, as JSON, YAML and TOML all read it.
fn quoted(text: &str) -> Zeroizing<String> {
    let mut quoted = Zeroizing::new(Vec::with_capacity(6 * text.len() + 2));
    // Writing to memory does not fail, and what is written is text.
    drop(serde_json::to_writer(&mut *quoted, text));
    let quoted = String::from_utf8(std::mem::take(&mut *quoted)).unwrap_or_default();
    // TOML has no raw delete character.
    Zeroizing::new(quoted.replace('\u{7f}', "\\u007f"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, text: &str, edits: &[(&str, &str)]) -> Result<String, String> {
        let file = TextFile::parse(name, text.as_bytes()).map_err(|error| error.to_string())?;
        let paths: Vec<Path> = edits
            .iter()
            .map(|(path, _)| path.parse().expect("a path"))
            .collect();
        let edits: Vec<_> = paths
            .iter()
            .zip(edits)
            .map(|(path, (_, text))| (path, *text))
            .collect();
        let next = file.with(&edits).map_err(|error| error.to_string())?;
        Ok(next.to_string())
    }

    #[test]
    fn texts_of_yaml_are_replaced_however_they_are_written() {
        let text = "\
# keep me
a: plain text  # and me
b: 'single ''quoted'''
c: \"double \\\" quoted\"
d: |
  several
  lines
e: [one, {f: two}]
\"g h\": \"x\"   
";
        let next = with(
            "a.yaml",
            text,
            &[
                ("a", "A"),
                ("b", "B"),
                ("c", "C\n\"ü\""),
                ("d", "D"),
                ("e[0]", "E"),
                ("e[1].f", "F"),
                ("\"g h\"", "G"),
            ],
        );
        let expected = "\
# keep me
a: \"A\"  # and me
b: \"B\"
c: \"C\\n\\\"ü\\\"\"
d: \"D\"
e: [\"E\", {f: \"F\"}]
\"g h\": \"G\"   
";
        assert_eq!(next.as_deref(), Ok(expected));
    }

    #[test]
    fn texts_of_json_and_toml_are_replaced() {
        let json = "{\"a\": {\"b\" : \"x\\\"y\"},\n \"c\":[ \"z\" ]}\n";
        let next = with("a.json", json, &[("a.b", "1"), ("c[0]", "2")]);
        let expected = "{\"a\": {\"b\" : \"1\"},\n \"c\":[ \"2\" ]}\n";
        assert_eq!(next.as_deref(), Ok(expected));
        let toml = "a = 'x' # keep\n[t]\nb = \"\"\"two\nlines\"\"\"\nc = { d = \"\" }\n";
        let next = with(
            "a.toml",
            toml,
            &[("a", "1\u{7f}"), ("t.b", "2"), ("t.c.d", "3")],
        );
        let expected = "a = \"1\\u007f\" # keep\n[t]\nb = \"2\"\nc = { d = \"3\" }\n";
        assert_eq!(next.as_deref(), Ok(expected));
    }

    #[test]
    fn what_cannot_be_replaced_says_where_and_what_to_do() {
        for (text, path, told) in [
            (
                "a: 1\n",
                "a",
                "f.yaml:1:4: a: is integer, not a text: put it in quotes",
            ),
            ("a: x\n", "b", "f.yaml: there is no value b"),
            ("a: x\n", "a.b", "f.yaml: there is no value a.b"),
            (
                "a: &x one\nb: *x\n",
                "b",
                "f.yaml:1:4: b: cannot be replaced as it is written: put it in double quotes, on one line, without anchor or tag",
            ),
            ("# nothing\n", "a", "f.yaml: is empty"),
        ] {
            assert_eq!(
                with("f.yaml", text, &[(path, "s")]),
                Err(told.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn without_edits_every_byte_stays() {
        let text = "\u{feff}a:   x\r\nb: {c: [1,2]}\r\n";
        assert_eq!(with("a.yaml", text, &[]).as_deref(), Ok(text));
        let next = with("a.yaml", text, &[("a", "ü")]);
        assert_eq!(
            next.as_deref(),
            Ok("\u{feff}a:   \"ü\"\r\nb: {c: [1,2]}\r\n")
        );
    }
}
