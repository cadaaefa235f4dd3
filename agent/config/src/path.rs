//! Where in a document a value is.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// To the value of a key.
    Key(String),
    /// To an element of a list, counted from 0.
    At(usize),
}

/// The way from the outermost value of a document to one inside, written `server.ports[0]`. A key with
/// other characters than letters, digits, `-` and `_` is quoted: `labels."app.kubernetes.io/name"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Step>);

/// A text that is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no path such as server.ports[0] or labels.\"a.b\": {reason}")]
pub struct BadPath {
    /// The text.
    pub text: String,
    /// Why not.
    pub reason: &'static str,
}

impl Path {
    /// The outermost value.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The path one step further.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Self {
        self.then(Step::Key(key.into()))
    }

    /// The path of an element.
    #[must_use]
    pub fn at(&self, index: usize) -> Self {
        self.then(Step::At(index))
    }

    /// The path one step further.
    #[must_use]
    pub fn then(&self, step: Step) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Self(steps)
    }

    /// Its steps, from the outermost value on.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl FromIterator<Step> for Path {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, step) in self.0.iter().enumerate() {
            match step {
                Step::At(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if nth > 0 {
                        f.write_str(".")?;
                    }
                    match is_plain(key) {
                        true => f.write_str(key)?,
                        false => write!(f, "{key:?}")?,
                    }
                }
            }
        }
        Ok(())
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn is_plain(key: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    !key.is_empty() && key.chars().all(plain)
}

impl FromStr for Path {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        let bad = |reason| BadPath {
            text: text.to_owned(),
            reason,
        };
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (index, after) = inner.split_once(']').ok_or(bad("`[` is not closed"))?;
                let index = index
                    .parse()
                    .map_err(|_malformed| bad("between [ and ] is no number"))?;
                steps.push(Step::At(index));
                rest = after;
                continue;
            }
            if !steps.is_empty() {
                rest = rest.strip_prefix('.').ok_or(bad("a `.` is missing"))?;
            }
            let (key, after) = match rest.starts_with('"') {
                true => quoted(rest).ok_or(bad("a quote is not closed"))?,
                false => plain(rest),
            };
            if key.is_empty() && !rest.starts_with('"') {
                return Err(bad("a key is empty"));
            }
            steps.push(Step::Key(key));
            rest = after;
        }
        Ok(Self(steps))
    }
}

fn plain(text: &str) -> (String, &str) {
    let (key, after) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
    (key.to_owned(), after)
}

/// Takes a key in quotes, in which a backslash takes the next character as it is.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices().skip(1);
    loop {
        match chars.next()? {
            (at, '"') => return Some((key, text.get(at + 1..)?)),
            (_, '\\') => key.push(chars.next()?.1),
            (_, c) => key.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_print_as_they_are_read() {
        for text in [
            "",
            "a",
            "server.ports[0]",
            "labels.\"app.kubernetes.io/name\"[1].x",
            "\"\"",
            "[3][4]",
            "a.\"quote \\\" and \\\\\"",
        ] {
            let path: Path = text.parse().expect(text);
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_path_says_why() {
        for text in ["a..b", "a[x]", "a[0", "a.\"b", "a[0]b", ".a"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }
}
