//! What differs between two documents, masked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Data, Reveal, Value};
use crate::{Mask, Path};

/// Most changes that a difference lists; the rest is counted.
const LISTED: usize = 200;

/// What differs between two documents. Secrets are `***` on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// The changes, in the order of paths; 200 at most.
    pub changes: Vec<Change>,
    /// How many more there are.
    pub unlisted: usize,
}

/// One value that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub path: String,
    /// What it was; `None` when there was nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "some_json")]
    pub before: Option<Json>,
    /// What it is; `None` when there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "some_json")]
    pub after: Option<Json>,
}

/// `null` is a value here, and not the absence of one.
mod some_json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value as Json;

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Json>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Json>, D::Error> {
        Json::deserialize(deserializer).map(Some)
    }
}

impl Diff {
    /// What differs, leaf by leaf.
    #[must_use]
    pub fn between(before: Option<&Value>, after: &Value, mask: &dyn Mask) -> Self {
        let mut sides = BTreeMap::<Path, [Option<&Value>; 2]>::new();
        let mut collect = |value, side: usize| {
            for (path, leaf) in leaves(value) {
                if let Some(slot) = sides.entry(path).or_default().get_mut(side) {
                    *slot = Some(leaf);
                }
            }
        };
        if let Some(before) = before {
            collect(before, 0);
        }
        collect(after, 1);
        let mut diff = Self::default();
        for (path, [before, after]) in sides {
            if before.map(|value| &value.data) == after.map(|value| &value.data) {
                continue;
            }
            if diff.changes.len() == LISTED {
                diff.unlisted += 1;
                continue;
            }
            let shown = |value: Option<&Value>| {
                value.map(|value| value.json_at(&path, Reveal::Masked(mask)))
            };
            diff.changes.push(Change {
                path: path.to_string(),
                before: shown(before),
                after: shown(after),
            });
        }
        diff
    }
}

fn leaves(value: &Value) -> Vec<(Path, &Value)> {
    let mut found = Vec::new();
    // A whole document that is an empty mapping has no leaf worth showing.
    if !matches!(&value.data, Data::Map(entries) if entries.is_empty()) {
        value.leaves(&mut |path, leaf| found.push((path.clone(), leaf)));
    }
    found
}
