//! Layers become one document.

use super::{Data, Value};

/// Lays `upper` over `lower`: mappings are merged key by key, everything else is replaced, lists too.
pub(crate) fn merge(lower: Value, upper: Value) -> Value {
    let Value { data, origin } = upper;
    let data = match (lower.data, data) {
        (Data::Map(mut below), Data::Map(above)) => {
            for (key, mut entry) in above {
                if let Some(other) = below.remove(&key) {
                    entry.value = merge(other.value, entry.value);
                }
                below.insert(key, entry);
            }
            Data::Map(below)
        }
        (_, data) => data,
    };
    Value { data, origin }
}
