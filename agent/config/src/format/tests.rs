//! The same document in three languages is the same values, at their places.

use super::*;
use crate::{Kind, NoMask, Reveal};

fn read_as(format: Format, text: &str) -> Result<Option<Value>, Box<Problem>> {
    let part = Part {
        name: "f".to_owned(),
        at: Vec::new(),
        format,
        bytes: text.as_bytes().into(),
    };
    let place = Arc::new(Place {
        kind: Kind::File,
        source: "f".to_owned(),
        version: "1".to_owned(),
        name: "f".to_owned(),
    });
    parse(&part, &place)
}

fn value(format: Format, text: &str) -> Value {
    let read = read_as(format, text);
    read.expect("is read").expect("is not empty")
}

fn mark(value: &Value, path: &str) -> (usize, usize) {
    let path = path.parse().expect("a path");
    let mark = value.get(&path).expect("is there").origin.mark;
    mark.map(|mark| (mark.line, mark.column)).expect("a mark")
}

const YAML: &str = "\
server:
  port: 8080 # words
  ratio: 0.5
  names: [ä, 'b c']
on: true
";

const JSON: &str = r#"{
  "server": {"port": 8080, "ratio": 0.5,
    "names": ["ä", "b c"]},
  "on": true
}"#;

const TOML: &str = "\
on = true
[server]
port = 8_080
ratio = 0.5
names = [\"ä\", 'b c']
";

#[test]
fn one_document_in_three_languages_is_the_same() {
    let expected = serde_json::from_str::<serde_json::Value>(JSON).expect("JSON");
    for (format, text) in [
        (Format::Yaml, YAML),
        (Format::Json, JSON),
        (Format::Toml, TOML),
    ] {
        let value = value(format, text);
        assert_eq!(value.to_json(Reveal::Plain), expected, "{format:?}");
        assert_eq!(value.to_json(Reveal::Masked(&NoMask)), expected);
    }
}

#[test]
fn every_value_knows_its_place() {
    let yaml = value(Format::Yaml, YAML);
    assert_eq!(mark(&yaml, "server.port"), (2, 9));
    assert_eq!(mark(&yaml, "server.names[1]"), (4, 14));
    let json = value(Format::Json, JSON);
    assert_eq!(mark(&json, "server.port"), (2, 22));
    assert_eq!(mark(&json, "server.names[1]"), (3, 20));
    let toml = value(Format::Toml, TOML);
    assert_eq!(mark(&toml, "server.port"), (3, 8));
    assert_eq!(mark(&toml, "server.names[1]"), (5, 15));
}

#[test]
fn words_mean_what_the_core_schema_says() {
    let text = "{a: 0x1F, b: 0o17, c: 010, d: 1e3, e: yes, f: ~, g: !!str 5, h: '5', i: .5, \
                j: -7, k: 18446744073709551615, l: 1.2.3, m: 12:30, n: '', 8080: eighty}";
    let expected = serde_json::json!({
        "a": 31, "b": 15, "c": 10, "d": 1e3, "e": "yes", "f": null, "g": "5", "h": "5", "i": 0.5,
        "j": -7, "k": u64::MAX, "l": "1.2.3", "m": "12:30", "n": "", "8080": "eighty",
    });
    assert_eq!(value(Format::Yaml, text).to_json(Reveal::Plain), expected);
}

#[test]
fn aliases_and_merge_keys_are_followed() {
    let text = "base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\nlist: [*base]\n";
    let expected = serde_json::json!({
        "base": {"a": 1, "b": 2}, "use": {"a": 1, "b": 3}, "list": [{"a": 1, "b": 2}],
    });
    let value = value(Format::Yaml, text);
    assert_eq!(value.to_json(Reveal::Plain), expected);
    assert_eq!(mark(&value, "use.a"), (1, 17));
}

#[test]
fn what_cannot_be_read_says_where() {
    let integer = "the integer does not fit into 64 bits; a text needs quotes";
    for (format, text, line, column, message) in [
        (Format::Yaml, "a: 1\nb: [1\n", 3, 1, "is no YAML: "),
        (
            Format::Yaml,
            "a: 1\na: 2\n",
            2,
            1,
            "the key a is there twice, first on line 1",
        ),
        (Format::Yaml, "a: 99999999999999999999\n", 1, 4, integer),
        (
            Format::Yaml,
            "a: !Ref x\n",
            1,
            4,
            "the tag !Ref is not known",
        ),
        (
            Format::Yaml,
            "a: 1\n---\nb: 2\n",
            2,
            1,
            "a second document begins",
        ),
        (Format::Yaml, "? [a]\n: 1\n", 1, 3, "a key must be a text"),
        (
            Format::Json,
            "{\"a\": 1,\n \"a\": 2}",
            2,
            2,
            "the key a is there twice",
        ),
        (
            Format::Json,
            "{\"a\": 1,}",
            1,
            9,
            "is no JSON: a key in double quotes",
        ),
        (Format::Json, "{\"a\": 99999999999999999999}", 1, 7, integer),
        (
            Format::Json,
            "{\"a\"",
            1,
            5,
            "is no JSON: a colon is missing",
        ),
        (Format::Json, "{} x", 1, 4, "is no JSON: something follows"),
        (Format::Json, "[\"a\n\"]", 1, 2, "is no JSON: a text holds"),
        (Format::Toml, "a = 1\nb = \n", 2, 5, "is no TOML: "),
        (
            Format::Toml,
            "a = 1\na = 2\n",
            2,
            1,
            "is no TOML: duplicate key",
        ),
    ] {
        let problem = read_as(format, text).expect_err(text);
        let mark = problem.origin.as_ref().and_then(|origin| origin.mark);
        let mark = mark.map(|mark| (mark.line, mark.column));
        assert_eq!(mark, Some((line, column)), "{text:?}: {problem}");
        assert!(problem.message.starts_with(message), "{text:?}: {problem}");
    }
}

#[test]
fn nothing_is_told_from_something() {
    for (format, text) in [
        (Format::Yaml, ""),
        (Format::Yaml, "# words\n---\n"),
        (Format::Json, " \n"),
        (Format::Toml, "# words\n"),
    ] {
        assert_eq!(read_as(format, text), Ok(None), "{text:?}");
    }
    assert!(matches!(value(Format::Yaml, "{}").data, Data::Map(_)));
    assert!(matches!(value(Format::Yaml, "null").data, Data::Null));
}

#[test]
fn a_small_text_cannot_become_a_large_document() {
    let mut bomb = "a0: &a0 [x]\n".to_owned();
    for level in 1..30 {
        let before = level - 1;
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            format!("*a{before},").repeat(9)
        ));
    }
    let problem = read_as(Format::Yaml, &bomb).expect_err("is refused");
    assert!(
        problem.message.contains("more than 200000 values"),
        "{problem}"
    );
    for format in [Format::Yaml, Format::Json, Format::Toml] {
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let text = match format {
            Format::Toml => format!("a = {deep}"),
            _ => deep,
        };
        assert!(read_as(format, &text).is_err(), "{format:?}");
    }
}

#[test]
fn the_format_of_a_file_is_known_by_name_or_by_content() {
    for (name, content, format) in [
        ("a.yml", "{}", Format::Yaml),
        ("a.JSON", "a: 1", Format::Json),
        ("a.toml", "", Format::Toml),
        ("config", "{\"a\": 1}", Format::Json),
        ("config", "# words\n[server]\n", Format::Toml),
        ("config", "a.b = 1", Format::Toml),
        ("config", "a: b = 1", Format::Yaml),
        ("config", "", Format::Yaml),
    ] {
        assert_eq!(
            Format::of_file(name, content.as_bytes()),
            format,
            "{name} {content}"
        );
    }
}
