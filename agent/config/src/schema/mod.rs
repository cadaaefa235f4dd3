//! JSON Schema 2020-12: every mistake of a document at once, each with its place.

mod explain;
mod names;
mod version;

use std::fmt;

use jsonschema::{Draft, Validator};
use serde_json::Value as Json;

use crate::{Mask, Problem, Reveal, Value};

pub use version::VersionRule;

/// A compiled schema. Nothing is fetched: a `$ref` to another document is an error.
pub struct Schema {
    json: Json,
    validator: Validator,
}

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema is wrong at `{path}`: {reason}")]
pub struct SchemaError {
    /// Where in the schema, as a JSON pointer.
    pub path: String,
    /// Why.
    pub reason: String,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// When it is no schema of 2020-12, or refers to another document.
    pub fn new(json: Json) -> Result<Self, SchemaError> {
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true);
        let validator = options.build(&json).map_err(|error| SchemaError {
            path: error.instance_path().as_str().to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self { json, validator })
    }

    /// The schema as it was given.
    #[must_use]
    pub fn json(&self) -> &Json {
        &self.json
    }

    /// Every mistake, in the order of their places; empty when the document is valid.
    #[must_use]
    pub fn check(&self, value: &Value, mask: &dyn Mask) -> Vec<Problem> {
        let json = value.to_json(Reveal::Plain);
        let mut problems = Vec::new();
        for error in self.validator.iter_errors(&json) {
            explain::explain(&error, &self.json, value, mask, &mut problems);
        }
        Problem::sort(&mut problems);
        problems
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.json).finish()
    }
}

#[cfg(test)]
mod tests;
