//! The language on a small entry.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Default)]
struct Entry {
    name: String,
    port: u16,
    tags: Vec<String>,
    meta: BTreeMap<String, String>,
    checks: Vec<String>,
}

impl<'a> Select<'a> for &'a Entry {
    fn select(&self, path: &[&str]) -> Selected<'a> {
        match path {
            ["Name", rest @ ..] => rest_of(rest, Selected::Text(&self.name)),
            ["Port"] => Selected::Int(i64::from(self.port)),
            ["Native"] => Selected::Bool(self.port == 80),
            ["Tags"] => Selected::Texts(&self.tags),
            ["Service", "Meta", rest @ ..] => map_entry(&self.meta, rest),
            ["Checks", "Status"] => {
                Selected::Each(self.checks.iter().map(|one| Selected::Text(one)).collect())
            }
            _ => Selected::Unknown,
        }
    }
}

fn entry() -> Entry {
    Entry {
        name: "web-1".to_owned(),
        port: 80,
        tags: vec!["v1".to_owned(), "canary".to_owned()],
        meta: BTreeMap::from([
            ("version".to_owned(), "2".to_owned()),
            ("a.b".to_owned(), "true".to_owned()),
        ]),
        checks: vec!["passing".to_owned(), "critical".to_owned()],
    }
}

fn new(text: &str) -> Result<Filter, FilterError> {
    Filter::new(text, &&Entry::default())
}

fn accepts(text: &str) -> bool {
    new(text).unwrap().accepts(&&entry())
}

fn message(text: &str) -> String {
    let error = new(text).unwrap_err().to_string();
    error
        .strip_prefix("Failed to create boolean expression evaluator: ")
        .unwrap()
        .to_owned()
}

#[test]
fn every_operator_does_what_its_name_says() {
    for text in [
        "Service.Meta.version == 2",
        "Service.Meta.version==2",
        "Service.Meta[\"version\"] == \"2\"",
        "Service.Meta[`a.b`] == true",
        "\"/Service/Meta/a.b\" == true",
        "\"v1\" in Tags",
        "v1 in Tags",
        "v2 not in Tags",
        "Tags contains canary",
        "Tags not contains `nope`",
        "Tags is not empty",
        "version in Service.Meta",
        "Service.Meta is not empty",
        "Name matches `^web-[0-9]+$`",
        "Name not matches \"^db\"",
        "Name contains eb",
        "Port == 80 and Port != 81",
        "Native == true",
        "Native != false",
        "Checks.Status == critical",
        "Name == `web-1`",
    ] {
        assert!(accepts(text), "{text}");
        assert!(!accepts(&format!("not ({text})")), "not ({text})");
    }
}

#[test]
fn or_binds_weaker_than_and_and_not_binds_strongest() {
    assert!(accepts("Port == 80 or Port == 1 and Port == 2"));
    assert!(!accepts("(Port == 80 or Port == 1) and Port == 2"));
    assert!(accepts("not Port == 1 and Port == 80"));
    assert!(!accepts("not (Port == 1 or Port == 80)"));
    assert!(accepts("not not Port == 80"));
}

#[test]
fn a_missing_key_is_empty_and_unequal() {
    assert!(accepts("Service.Meta.nope is empty"));
    assert!(accepts("Service.Meta.nope != 1"));
    assert!(accepts("Service.Meta.nope not matches `.`"));
    assert!(!accepts("Service.Meta.nope == ``"));
    assert!(!accepts("Service.Meta.nope is not empty"));
    assert!(!accepts("x in Service.Meta.nope"));
}

#[test]
fn back_quotes_hold_the_empty_text() {
    let filter = new("Name == ``").unwrap();
    assert!(filter.accepts(&&Entry::default()));
    assert!(!filter.accepts(&&entry()));
}

#[test]
fn mistakes_are_told_before_there_are_entries() {
    assert_eq!(message("Nope == 1"), "Selector \"Nope\" is not valid");
    assert_eq!(
        message("Name.First == 1"),
        "Selector \"Name.First\" is not valid"
    );
    assert_eq!(
        message("Port matches 8"),
        "Invalid match operator \"Matches\" for selector \"Port\""
    );
    assert_eq!(
        message("Tags == v1"),
        "Invalid match operator \"Equal\" for selector \"Tags\""
    );
    assert_eq!(
        message("Port == high"),
        "Failed to parse \"high\" as int for selector \"Port\""
    );
    assert!(message("Name matches `(`").starts_with("Failed to compile regular expression \"(\""));
    assert!(message("Name matches `(a{999}){999}`").contains("size"));
}

#[test]
fn the_place_of_a_mistake_is_told() {
    for (text, offset, expected) in [
        ("", 0, "a value"),
        ("Name", 4, "an operator"),
        ("Name ==", 7, "a value"),
        ("Name == a-b", 9, "a selector, a value or an operator"),
        ("Name == a b", 10, "\"and\", \"or\" or the end"),
        ("(Name == a", 10, "\")\""),
        ("Name = a", 5, "a selector, a value or an operator"),
        ("a in", 4, "a selector"),
        ("Name == `a", 8, "a selector, a value or an operator"),
        ("Name == \"a", 8, "a selector, a value or an operator"),
        ("Name == 1x", 8, "a selector, a value or an operator"),
    ] {
        let column = offset + 1;
        assert_eq!(
            message(text),
            format!("1:{column} ({offset}): no match found, expected: {expected}"),
            "{text}"
        );
    }
}

#[test]
fn depth_and_length_are_bounded() {
    assert_eq!(message(&"(".repeat(65)), "more than 64 nested expressions");
    assert_eq!(message(&"x".repeat(8193)), "more than 8192 bytes");
    assert!(accepts(&format!(
        "{}Port == 80{}",
        "(".repeat(64),
        ")".repeat(64)
    )));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "([ ().=!\"`a-z0-9\\[\\]-]|Port|Name|Tags|and|or|not|in| is | empty|==|é){0,20}") {
        let first = new(&text).map(|filter| filter.accepts(&&entry()));
        let again = new(&text).map(|filter| filter.accepts(&&entry()));
        prop_assert_eq!(first, again);
    }
}
