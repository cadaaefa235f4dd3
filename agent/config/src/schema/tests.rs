//! What a user is told.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{Data, Format, Kind, NoMask, Part, Path, Place, Secret, format};

fn document(text: &str) -> Value {
    let part = Part {
        name: "app.yaml".to_owned(),
        at: Vec::new(),
        format: Format::Yaml,
        bytes: text.as_bytes().into(),
    };
    let place = Place {
        kind: Kind::File,
        source: "app.yaml".to_owned(),
        version: "1".to_owned(),
        name: "app.yaml".to_owned(),
    };
    let parsed = format::parse(&part, &Arc::new(place));
    parsed.expect("is YAML").expect("is not empty")
}

fn schema() -> Schema {
    Schema::new(json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "minLength": 2},
            "server": {"$ref": "#/$defs/server"},
            "backup": {"anyOf": [{"$ref": "#/$defs/server"}, {"type": "null"}]},
            "mode": {"enum": ["fast", "safe"]},
            "password": {"type": "string", "minLength": 40},
        },
        "$defs": {"server": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "max_connections": {"type": "integer", "minimum": 1, "maximum": 100},
                "hosts": {"type": "array", "items": {"type": "string", "format": "ipv4"}},
            },
        }},
    }))
    .expect("a schema")
}

fn told(document: &Value) -> Vec<String> {
    let problems = schema().check(document, &NoMask);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_mistake_is_told_at_once_with_its_place() {
    let text = "\
server:
  max_connections: 500
  hosts: [10.0.0.1, 10.0.0.300]
  maxConections: 3
mode: quick
backup: {hosts: 7}
nmae: app
";
    assert_eq!(
        told(&document(text)),
        [
            "app.yaml:1:1: name: is missing",
            "app.yaml:2:20: server.max_connections: does not fit `maximum`: expected at most 100, got 500",
            "app.yaml:3:21: server.hosts[1]: does not fit `format`: expected a text of the format ipv4, got \"10.0.0.300\"",
            "app.yaml:4:3: server.maxConections: is not known: expected one of hosts, max_connections; did you mean `max_connections`?",
            "app.yaml:5:7: mode: does not fit `enum`: expected one of fast, safe, got \"quick\"",
            "app.yaml:6:17: backup.hosts: does not fit `type`: expected array, got 7",
            "app.yaml:7:1: nmae: is not known: expected one of backup, mode, name, password, server; did you mean `name`?",
        ]
    );
}

#[test]
fn a_valid_document_has_no_mistakes() {
    let text = "name: app\nserver: {max_connections: 5}\nbackup: null\n";
    assert_eq!(told(&document(text)), [""; 0]);
}

#[test]
fn a_secret_is_not_told() {
    let mut value = document("name: app\npassword: x\n");
    if let Data::Map(entries) = &mut value.data {
        let entry = entries.get_mut("password").expect("is there");
        entry.value.data = Data::Secret(Secret::new("hunter2".to_owned()));
    }
    let told = told(&value);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].ends_with("expected at least 40 characters, got \"***\""),
        "{told:?}"
    );
}

#[test]
fn a_wrong_schema_and_one_elsewhere_are_refused() {
    let error = Schema::new(json!({"type": "text"})).expect_err("no type");
    assert_eq!(error.path, "/type");
    assert!(Schema::new(json!({"$ref": "https://example.com/x.json"})).is_err());
}

#[test]
fn a_changed_document_needs_a_higher_version_of_an_accepted_major() {
    let rule = VersionRule {
        path: Path::root().key("version"),
        accepted_major: 1,
    };
    let told = |now: &str, next: &str| {
        let of = |version: &str| document(&format!("version: \"{version}\"\n"));
        let problem = rule.check(Some(&of(now)), &of(next));
        problem.map(|problem| problem.message)
    };
    assert_eq!(told("1.2.3", "1.2.4"), None);
    assert_eq!(told("1.2.3", "1.10.0"), None);
    let same = told("1.2.3", "1.2.3").expect("refused");
    assert_eq!(
        same,
        "1.2.3 does not follow on 1.2.3 though the document differs"
    );
    assert!(told("1.2.3", "1.1.9").is_some());
    let major = told("1.2.3", "2.0.0").expect("refused");
    assert!(major.contains("major change"), "{major}");
    assert_eq!(
        told("1.2.3", "1.3").expect("refused"),
        "is no semantic version"
    );
    assert!(rule.check(None, &document("name: x\n")).is_some());
}
