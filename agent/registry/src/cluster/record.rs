//! Values of keys in etcd: JSON with the number of its format.
//!
//! Revisions are those of the registry that wrote the record, and mean nothing to others: they are written as
//! 0, so that equal content is equal bytes.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::keys::Key;
use crate::{
    Revision,
    model::{Check, Instance, Node, Source},
};

/// Format of the records that are written, and the only one that is read.
const FORMAT: u32 = 1;

/// Why a record was left out.
#[derive(Debug, Error)]
pub(super) enum RecordError {
    #[error("it is not a record")]
    Json(#[from] serde_json::Error),
    #[error("it has format {0}, and this registry reads format {FORMAT}")]
    Format(u32),
    #[error("it is about something else than its key says")]
    Key,
}

/// One instance.
#[derive(Serialize, Deserialize)]
struct InstanceRecord {
    format: u32,
    instance: Instance,
}

/// One node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NodeRecord {
    format: u32,
    /// Who publishes it: two registries with the same name of their node differ in this.
    pub(super) registry: String,
    pub(super) node: Node,
    pub(super) checks: Vec<Check>,
}

/// The value for an instance.
pub(super) fn of_instance(instance: &Instance) -> Result<Vec<u8>, serde_json::Error> {
    let instance = Instance {
        checks: without_revisions(&instance.checks),
        source: Source::Etcd,
        lease: None,
        create_revision: Revision(0),
        modify_revision: Revision(0),
        ..instance.clone()
    };
    let format = FORMAT;
    serde_json::to_vec(&InstanceRecord { format, instance })
}

/// The value for a node.
pub(super) fn of_node(
    registry: &str,
    node: &Node,
    checks: &[Check],
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&NodeRecord {
        format: FORMAT,
        registry: registry.to_owned(),
        node: node.clone(),
        checks: without_revisions(checks),
    })
}

/// Reads the instance that `key` stands for.
pub(super) fn instance(key: &Key, value: &[u8]) -> Result<Instance, RecordError> {
    check_format(value)?;
    let record: InstanceRecord = serde_json::from_slice(value)?;
    let instance = record.instance;
    match key {
        Key::Instance(service, id) if *id == instance.key && *service == instance.service_key() => {
            Ok(instance)
        }
        _ => Err(RecordError::Key),
    }
}

/// Reads the node that `key` stands for.
pub(super) fn node(key: &Key, value: &[u8]) -> Result<NodeRecord, RecordError> {
    check_format(value)?;
    let record: NodeRecord = serde_json::from_slice(value)?;
    match key {
        Key::Node(name) if *name == record.node.name => Ok(record),
        _ => Err(RecordError::Key),
    }
}

/// Before the rest is looked at: a later format may look quite different.
fn check_format(value: &[u8]) -> Result<(), RecordError> {
    #[derive(Deserialize)]
    struct Any {
        format: u32,
    }
    match serde_json::from_slice::<Any>(value)?.format {
        FORMAT => Ok(()),
        other => Err(RecordError::Format(other)),
    }
}

fn without_revisions(checks: &[Check]) -> Vec<Check> {
    let strip = |check: &Check| Check {
        create_revision: Revision(0),
        modify_revision: Revision(0),
        ..check.clone()
    };
    checks.iter().map(strip).collect()
}
