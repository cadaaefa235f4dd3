//! JSON bodies as Go reads them: names in any case, `null` for "not given".

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::{Error, Map, Value};

/// Reads `body` into `T`.
///
/// Field names of structs are matched in any case and with underscores between words, keys of maps are kept. Members that are `null` count as
/// absent, so `T` gives its defaults with `#[serde(default)]`. Unknown members are ignored.
///
/// # Errors
/// The body is not JSON, or a member has another type than its field.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(body: &[u8]) -> Result<T, Error> {
    from_value(serde_json::from_slice(body)?)
}

/// The same for a value that is already parsed.
///
/// # Errors
/// A member has another type than its field.
pub(crate) fn from_value<'de, T: Deserialize<'de>>(value: Value) -> Result<T, Error> {
    T::deserialize(Folded(value))
}

/// A value whose structs are read in Go's way.
struct Folded(Value);

impl<'de> Deserializer<'de> for Folded {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(values) => visitor.visit_seq(List(values.into_iter())),
            Value::Object(map) => visitor.visit_map(Members::new(map, &[])),
            leaf => leaf.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            value => visitor.visit_some(Self(value)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => visitor.visit_map(Members::new(map, fields)),
            Value::Null => visitor.visit_map(Members::new(Map::new(), fields)),
            // Derived code would take an array for the fields in their order.
            Value::Array(_) => Err(de::Error::invalid_type(de::Unexpected::Seq, &visitor)),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The members of an object that are not `null`.
struct Members {
    rest: serde_json::map::IntoIter,
    fields: &'static [&'static str],
    value: Option<Value>,
}

impl Members {
    fn new(map: Map<String, Value>, fields: &'static [&'static str]) -> Self {
        Self {
            rest: map.into_iter(),
            fields,
            value: None,
        }
    }

    /// The field that `key` means, or `key` itself.
    fn field(&self, key: String) -> String {
        self.fields
            .iter()
            .find(|field| is_same_name(field, &key))
            .map_or(key, |field| (*field).to_owned())
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.rest.by_ref().find(|(_, value)| !value.is_null()) else {
            return Ok(None);
        };
        self.value = Some(value);
        let key = self.field(key);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Folded(self.value.take().unwrap_or_default()))
    }
}

/// Whether `key` spells `field`: `TLSSkipVerify`, `tlsskipverify` and, as in files, `tls_skip_verify`.
fn is_same_name(field: &str, key: &str) -> bool {
    let letters = key.bytes().filter(|letter| *letter != b'_');
    letters
        .map(|letter| letter.to_ascii_lowercase())
        .eq(field.bytes().map(|letter| letter.to_ascii_lowercase()))
}

/// The entries of an array.
struct List(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for List {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        // A pointer in a Go list may be null; such an entry says nothing.
        self.0
            .by_ref()
            .find(|value| !value.is_null())
            .map(|value| seed.deserialize(Folded(value)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Outer {
        #[serde(rename = "ID")]
        id: String,
        port: u16,
        meta: BTreeMap<String, String>,
        inner: Option<Inner>,
        list: Vec<Inner>,
        free: Value,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        #[serde(rename = "HTTP")]
        http: String,
    }

    fn read(json: &str) -> Outer {
        from_slice(json.as_bytes()).unwrap()
    }

    #[test]
    fn names_fold_in_structs_at_any_depth_and_never_in_maps() {
        let outer = read(
            r#"{"id": "a", "PO_RT": 1, "meta": {"Key": "V", "key": "v"}, "inner": {"Http": "x"},
                "LIST": [{"http": "y"}], "free": {"Any": [null]}, "unknown": {"deep": [1]}}"#,
        );
        assert_eq!(
            outer,
            Outer {
                id: "a".to_owned(),
                port: 1,
                meta: [("Key", "V"), ("key", "v")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                inner: Some(Inner {
                    http: "x".to_owned()
                }),
                list: vec![Inner {
                    http: "y".to_owned()
                }],
                free: serde_json::json!({"Any": []}),
            }
        );
    }

    #[test]
    fn null_is_not_given() {
        let json = r#"{"ID": null, "Port": null, "Meta": null, "Inner": null, "List": null, "Free": null}"#;
        assert_eq!(read(json), Outer::default());
        assert_eq!(read(r#"{"List": [null]}"#), Outer::default());
    }

    #[test]
    fn types_are_kept_apart() {
        for json in [
            r#"{"Port": "80"}"#,
            r#"{"Port": 65536}"#,
            r#"{"ID": 1}"#,
            "[]",
            "{",
        ] {
            assert!(from_slice::<Outer>(json.as_bytes()).is_err(), "{json}");
        }
    }
}
