//! A key as the API shows it.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Serialize, Serializer};
use state::kv::Entry;

use super::service::named;

/// A key with its value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KvRow<'a> {
    lock_index: u64,
    key: &'a str,
    flags: u64,
    value: Value<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    create_index: u64,
    modify_index: u64,
}

impl<'a> KvRow<'a> {
    /// The whole entry.
    #[must_use]
    pub(crate) fn new(namespace: &'a str, entry: &'a Entry) -> Self {
        Self {
            lock_index: entry.lock_index,
            key: &entry.key,
            flags: entry.flags,
            value: Value(&entry.value),
            session: entry.session.as_deref(),
            namespace: named(namespace),
            create_index: entry.create_index.0,
            modify_index: entry.modify_index.0,
        }
    }

    /// The entry without its value, as transactions show what they wrote.
    #[must_use]
    pub(crate) fn without_value(self) -> Self {
        Self {
            value: Value(&[]),
            ..self
        }
    }
}

/// Bytes in base64; no bytes are `null`, as Go writes them.
#[derive(Debug)]
struct Value<'a>(&'a [u8]);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() {
            return serializer.serialize_none();
        }
        serializer.serialize_str(&BASE64_STANDARD.encode(self.0))
    }
}
