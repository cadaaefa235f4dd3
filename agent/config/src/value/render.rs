//! Values as JSON, with or without their secrets.

use serde_json::Value as Json;

use super::{Data, Value};
use crate::{Mask, Path, secret::MASKED};

/// Who is going to see it.
#[derive(Clone, Copy)]
pub enum Reveal<'a> {
    /// Somebody who may see secrets: the program that the document is for.
    Plain,
    /// Anybody: secrets, and what the mask takes for one, are `***`.
    Masked(&'a dyn Mask),
}

impl Value {
    /// The value as JSON, its keys in alphabetical order.
    #[must_use]
    pub fn to_json(&self, reveal: Reveal<'_>) -> Json {
        self.json_at(&Path::root(), reveal)
    }

    pub(crate) fn json_at(&self, path: &Path, reveal: Reveal<'_>) -> Json {
        if let Reveal::Masked(mask) = reveal
            && mask.hides(path, &self.data)
        {
            return Json::from(MASKED);
        }
        match &self.data {
            Data::Null => Json::Null,
            Data::Bool(value) => Json::Bool(*value),
            Data::Number(number) => Json::Number(number.clone()),
            Data::Text(text) => Json::from(match reveal {
                Reveal::Plain => text.clone(),
                Reveal::Masked(mask) => mask.text(text),
            }),
            Data::Secret(secret) => Json::from(match reveal {
                Reveal::Plain => secret.expose(),
                Reveal::Masked(_) => MASKED,
            }),
            Data::List(values) => values
                .iter()
                .enumerate()
                .map(|(index, value)| value.json_at(&path.at(index), reveal))
                .collect(),
            Data::Map(entries) => entries
                .iter()
                .map(|(key, entry)| {
                    let value = entry.value.json_at(&path.key(key), reveal);
                    (key.clone(), value)
                })
                .collect(),
        }
    }
}
