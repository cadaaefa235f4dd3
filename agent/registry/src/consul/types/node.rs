//! A node as the API shows it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::{
    consul::filter::{Select, Selected, map_entry, rest_of},
    model::NodeEntry,
};

/// One node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeRow<'a> {
    /// The node.
    pub(crate) entry: &'a NodeEntry,
    /// Its datacenter.
    pub(crate) datacenter: &'a str,
}

impl NodeRow<'_> {
    /// Whether it has all of these keys with these values.
    #[must_use]
    pub(crate) fn has_meta(&self, wanted: &[(String, String)]) -> bool {
        let meta = &self.entry.node.meta;
        wanted
            .iter()
            .all(|(key, value)| meta.get(key) == Some(value))
    }
}

impl Serialize for NodeRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let node = &self.entry.node;
        Json {
            id: &node.id,
            node: &node.name,
            address: &node.address,
            datacenter: self.datacenter,
            tagged_addresses: &node.tagged_addresses,
            meta: &node.meta,
            create_index: self.entry.create_revision.0,
            modify_index: self.entry.modify_revision.0,
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Json<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    node: &'a str,
    address: &'a str,
    datacenter: &'a str,
    tagged_addresses: &'a BTreeMap<String, String>,
    meta: &'a BTreeMap<String, String>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> Select<'a> for NodeRow<'a> {
    fn select(&self, path: &[&str]) -> Selected<'a> {
        let node = &self.entry.node;
        match path {
            ["ID", rest @ ..] => rest_of(rest, Selected::Text(&node.id)),
            ["Node", rest @ ..] => rest_of(rest, Selected::Text(&node.name)),
            ["Address", rest @ ..] => rest_of(rest, Selected::Text(&node.address)),
            ["Datacenter", rest @ ..] => rest_of(rest, Selected::Text(self.datacenter)),
            ["TaggedAddresses", rest @ ..] => map_entry(&node.tagged_addresses, rest),
            ["Meta", rest @ ..] => map_entry(&node.meta, rest),
            _ => Selected::Unknown,
        }
    }
}
