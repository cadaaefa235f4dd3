//! From rows to memory.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    sync::Arc,
};

use serde::de::DeserializeOwned;
use state::{EngineError, Reader, Rows, Table};

use super::{
    published::Loaded,
    tables::{INSTANCES, LIST_INDEX, List, NODES, SERVICE_INDEX, list_key},
};
use crate::{
    OpenError, Revision,
    model::{Instance, Name, NodeEntry, ServiceKey},
};

/// Reads everything that is on disk.
pub(super) fn load(reader: &Reader) -> Result<Loaded, OpenError> {
    let nodes = rows(reader, NODES, "node", |node: NodeEntry| node)?;
    let mut names = Names::default();
    let instances = rows(reader, INSTANCES, "instance", |mut instance: Instance| {
        let key = &mut instance.key;
        for name in [&mut key.namespace, &mut key.node, &mut instance.service] {
            names.share(name);
        }
        // There are many of these for a long time: no room for more.
        instance.checks.shrink_to_fit();
        instance.tags.shrink_to_fit();
        instance
    })?;
    let mut service_indexes = Vec::new();
    for (row, index) in indexes(reader, SERVICE_INDEX)? {
        if let Some(key) = service(&row) {
            service_indexes.push((key, index));
        }
    }
    Ok(Loaded {
        floor: reader.index(LIST_INDEX, b"").map_err(from_engine)?,
        nodes,
        node_index: reader
            .index(LIST_INDEX, &list_key(List::Nodes))
            .map_err(from_engine)?,
        instances,
        service_indexes,
        list_indexes: indexes(reader, LIST_INDEX)?,
    })
}

/// Names that many rows have.
#[derive(Default)]
struct Names(HashSet<Name>);

impl Names {
    /// Puts the one that is known already in the place of `name`.
    fn share(&mut self, name: &mut Name) {
        match self.0.get(name) {
            Some(known) => *name = Name::clone(known),
            None => drop(self.0.insert(Name::clone(name))),
        }
    }
}

/// All rows of a table of JSON, in the order of their keys.
fn rows<T: DeserializeOwned>(
    reader: &Reader,
    table: Table,
    what: &'static str,
    mut finish: impl FnMut(T) -> T,
) -> Result<Vec<Arc<T>>, OpenError> {
    let mut found = Vec::new();
    let mut failed = None;
    let scanned = reader.scan(table, &[], &mut |key, _, row| {
        match serde_json::from_slice(row) {
            Ok(value) => found.push(Arc::new(finish(value))),
            Err(source) => {
                let key = key.escape_ascii().to_string();
                failed = Some(OpenError::Row { what, key, source });
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    scanned.map_err(from_engine)?;
    failed.map_or(Ok(found), Err)
}

fn indexes(reader: &Reader, table: Table) -> Result<HashMap<Vec<u8>, Revision>, OpenError> {
    let mut keys = Vec::new();
    let scanned = reader.scan(table, &[], &mut |key, _, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    });
    scanned.map_err(from_engine)?;
    let mut indexes = HashMap::with_capacity(keys.len());
    for key in keys {
        let index = reader.index(table, &key).map_err(from_engine)?;
        indexes.insert(key, index);
    }
    Ok(indexes)
}

/// Reads the key of a row of [`SERVICE_INDEX`].
fn service(row: &[u8]) -> Option<ServiceKey> {
    let (namespace, service) = std::str::from_utf8(row).ok()?.split_once('\0')?;
    Some(ServiceKey::new(namespace, service))
}

fn from_engine(error: EngineError) -> OpenError {
    OpenError::State(error.into())
}
