//! Keys and values of an instance.

use std::{collections::BTreeMap, slice};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Keys with their values, ordered by key. A node has thousands of these, each with a few entries: a
/// `BTreeMap` would take room for eleven, five times as much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta(Box<[(String, String)]>);

impl Meta {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        let place = self
            .0
            .binary_search_by(|(known, _)| known.as_str().cmp(key));
        let (_, value) = self.0.get(place.ok()?)?;
        Some(value)
    }

    /// Keys and values, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.into_iter()
    }
}

impl<'a> IntoIterator for &'a Meta {
    type Item = (&'a str, &'a str);
    type IntoIter =
        std::iter::Map<slice::Iter<'a, (String, String)>, fn(&'a (String, String)) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl From<BTreeMap<String, String>> for Meta {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map.into_iter().collect())
    }
}

impl Serialize for Meta {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de> Deserialize<'de> for Meta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_and_writes_like_a_map() {
        let text = r#"{"zone":"a","rack":"7"}"#;
        let meta: Meta = serde_json::from_str(text).unwrap();
        assert_eq!((meta.get("rack"), meta.get("zone")), (Some("7"), Some("a")));
        assert_eq!((meta.get(""), meta.get("zoo")), (None, None));
        let written = serde_json::to_string(&meta).unwrap();
        assert_eq!(written, r#"{"rack":"7","zone":"a"}"#);
        assert_eq!(
            meta.iter().collect::<Vec<_>>(),
            [("rack", "7"), ("zone", "a")]
        );
    }
}
