//! The JSON Schema of golens' own settings, made from their types.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::Value as Json;

use super::{Bytes, Config, Interval, Secret};

/// JSON Schema 2020-12 of [`Config`], without references, so that editors show every setting with its meaning.
#[must_use]
pub fn schema() -> Json {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>();
    if let Some(sections) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        for section in sections.values_mut() {
            // `probes:` with nothing behind it is a section in which nothing is set.
            if let Some(kind) = section.get_mut("type") {
                *kind = serde_json::json!(["object", "null"]);
            }
        }
    }
    schema.insert("title".to_owned(), "Settings of golens".into());
    schema.to_value()
}

/// What [`humantime`] reads.
const DURATION: &str = "^ *(0|([0-9]+ *(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s\
                        |minutes|minute|mins|min|m|hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w\
                        |months|month|M|years|year|yrs|yr|y) *)+)$";

impl JsonSchema for Interval {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": DURATION, "examples": ["500ms", "10s", "5m"] })
    }
}

impl JsonSchema for Bytes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "minimum": 0,
            "pattern": "^[0-9]+ *(B|KiB|MiB|GiB)?$",
            "examples": ["64KiB", "8MiB", "1GiB"],
        })
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by `golens config schema`.
    const KEPT: &str = include_str!("../../../deploy/config/golens.schema.json");

    #[test]
    fn the_schema_in_the_tree_is_that_of_the_types() {
        let made = serde_json::to_string_pretty(&schema()).expect("prints");
        let hint = "run `golens config schema > deploy/config/golens.schema.json`";
        assert!(KEPT.trim_end() == made, "{hint}");
    }

    #[test]
    fn every_setting_says_what_it_is() {
        fn walk(path: &str, schema: &Json, silent: &mut Vec<String>) {
            let properties = schema.get("properties").and_then(Json::as_object);
            for (key, inner) in properties.into_iter().flatten() {
                let path = format!("{path}.{key}");
                if inner.get("description").is_none() {
                    silent.push(path.clone());
                }
                walk(&path, inner, silent);
            }
        }
        let mut silent = Vec::new();
        walk("", &schema(), &mut silent);
        assert_eq!(silent, [""; 0]);
    }
}
