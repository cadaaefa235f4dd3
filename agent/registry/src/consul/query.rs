//! The part of a URL behind the question mark.

use std::borrow::Cow;

/// Parameters in the order they were given, decoded.
#[derive(Debug, Default)]
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads `text`; what is not valid UTF-8 becomes the replacement character.
    #[must_use]
    pub(crate) fn parse(text: Option<&'a str>) -> Self {
        let text = text.unwrap_or_default();
        Self(form_urlencoded::parse(text.as_bytes()).collect())
    }

    /// The first value of `name`, if it is not empty.
    #[must_use]
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    /// Whether `name` is given, with or without a value.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Every value of `name`.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_an_empty_one_is_none() {
        let query = Query::parse(Some("tag=a%20b&tag=c+d&passing&filter=&x=%ff"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a b", "c d"]);
        assert_eq!(query.get("tag"), Some("a b"));
        assert_eq!(query.get("filter"), None);
        assert_eq!(query.get("x"), Some("\u{fffd}"));
        assert!(query.has("passing") && query.has("filter") && !query.has("nope"));
        assert!(!Query::parse(None).has(""));
    }
}
