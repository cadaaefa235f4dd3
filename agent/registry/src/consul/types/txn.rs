//! Body and answer of `/v1/txn`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    catalog::{CatalogCheck, CatalogService},
    check::CheckRow,
    kv::KvRow,
    node::NodeRow,
    service::ServiceRow,
};

/// One operation; exactly one member is given.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct TxnOp {
    #[serde(rename = "KV")]
    pub(crate) kv: Option<KvOp>,
    pub(crate) node: Option<NodeOp>,
    pub(crate) service: Option<ServiceOp>,
    pub(crate) check: Option<CheckOp>,
}

/// An operation on keys.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct KvOp {
    pub(crate) verb: String,
    pub(crate) key: String,
    /// Base64.
    pub(crate) value: String,
    pub(crate) flags: u64,
    pub(crate) index: u64,
    pub(crate) session: String,
}

/// An operation on a node.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct NodeOp {
    pub(crate) verb: String,
    pub(crate) node: NodeDefinition,
}

/// A node, or as much of it as names it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct NodeDefinition {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) node: String,
    pub(crate) address: String,
    pub(crate) tagged_addresses: BTreeMap<String, String>,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) modify_index: u64,
}

/// An operation on a service.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ServiceOp {
    pub(crate) verb: String,
    pub(crate) node: String,
    pub(crate) service: CatalogService,
}

/// An operation on a check.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct CheckOp {
    pub(crate) verb: String,
    pub(crate) check: CatalogCheck,
}

/// What one operation read or wrote.
#[derive(Debug, Serialize)]
pub(crate) enum TxnResult<'a> {
    #[serde(rename = "KV")]
    Kv(KvRow<'a>),
    Node(NodeRow<'a>),
    Service(ServiceRow<'a>),
    Check(CheckRow<'a>),
}

/// Why one operation failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TxnError {
    /// Number of the operation, from 0.
    pub(crate) op_index: usize,
    /// What is wrong.
    pub(crate) what: String,
}

/// What all operations did; nothing when there are errors.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TxnAnswer<'a> {
    pub(crate) results: Vec<TxnResult<'a>>,
    pub(crate) errors: Vec<TxnError>,
}
