//! Rows with nothing in them, to try filters on before there are entries.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use super::{
    check::CheckRow,
    entry::{CatalogEntry, HealthEntry},
    node::NodeRow,
    service::{ServiceForm, ServiceRow},
};
use crate::{
    Revision,
    model::{
        Check, CheckSpec, DEFAULT_NAMESPACE, Instance, InstanceKey, Meta, Node, NodeEntry, Source,
        Status, Weights,
    },
};

static NODE: LazyLock<NodeEntry> = LazyLock::new(|| NodeEntry {
    node: Node {
        name: "".into(),
        id: String::new(),
        address: String::new(),
        tagged_addresses: BTreeMap::new(),
        meta: BTreeMap::new(),
    },
    checks: Vec::new(),
    source: Source::Api,
    create_revision: Revision(0),
    modify_revision: Revision(0),
});

static INSTANCE: LazyLock<Instance> = LazyLock::new(|| Instance {
    key: InstanceKey {
        namespace: DEFAULT_NAMESPACE.into(),
        node: "".into(),
        id: "".into(),
    },
    service: "".into(),
    address: String::new(),
    port: 0,
    ports: Vec::new(),
    socket_path: String::new(),
    tagged_addresses: BTreeMap::new(),
    tags: Vec::new(),
    meta: Meta::default(),
    weights: Weights::default(),
    enable_tag_override: false,
    extra: serde_json::Map::new(),
    source: Source::Api,
    lease: None,
    checks: vec![Check {
        spec: Arc::new(CheckSpec::external("", "")),
        status: Status::Passing,
        output: String::new(),
        create_revision: Revision(0),
        modify_revision: Revision(0),
    }],
    create_revision: Revision(0),
    modify_revision: Revision(0),
});

/// A node.
pub(crate) fn node() -> NodeRow<'static> {
    NodeRow {
        entry: &NODE,
        datacenter: "",
    }
}

/// An instance.
pub(crate) fn service() -> ServiceRow<'static> {
    ServiceRow {
        instance: &INSTANCE,
        form: ServiceForm::Catalog,
    }
}

/// A check of an instance.
pub(crate) fn check() -> CheckRow<'static> {
    CheckRow {
        node: &NODE.node.name,
        instance: Some(&INSTANCE),
        check: &INSTANCE.checks[0],
        output: "",
        is_raw: false,
    }
}

/// An entry of health.
pub(crate) fn health() -> HealthEntry<'static> {
    HealthEntry {
        node: node(),
        instance: &INSTANCE,
    }
}

/// An entry of the catalogue.
pub(crate) fn catalog() -> CatalogEntry<'static> {
    CatalogEntry(health())
}
