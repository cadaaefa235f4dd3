//! Reading nodes, services and checks inside a transaction.

use std::sync::Arc;

use http::StatusCode;

use crate::{
    consul::{
        error::ApiError,
        server::Server,
        types::{
            check::CheckRow,
            service::{ServiceForm, ServiceRow},
            txn::{CheckOp, NodeOp, ServiceOp},
        },
    },
    model::{Check, CheckKey, Instance, InstanceKey, Name, NodeEntry},
};

/// What a lookup found.
pub(super) enum Found {
    Node(Arc<NodeEntry>),
    Service(Arc<Instance>),
    Check(Box<FoundCheck>),
}

/// A check and where it belongs.
pub(super) struct FoundCheck {
    node: Name,
    instance: Option<Arc<Instance>>,
    check: Check,
}

impl FoundCheck {
    /// The check as the API shows it.
    pub(super) fn row(&self) -> CheckRow<'_> {
        CheckRow {
            node: &self.node,
            instance: self.instance.as_deref(),
            check: &self.check,
            output: &self.check.output,
        }
    }
}

/// The instance as the API shows it.
pub(super) fn service_row(instance: &Instance) -> ServiceRow<'_> {
    ServiceRow {
        instance,
        form: ServiceForm::Catalog,
    }
}

pub(super) fn node(server: &Server, operation: &NodeOp) -> Result<Result<Found, String>, ApiError> {
    only_get("node", &operation.verb)?;
    let (name, id) = (&operation.node.node, &operation.node.id);
    let nodes = server.registry().nodes();
    let found = nodes.nodes.iter().find(|entry| {
        let node = &entry.node;
        (name.is_empty() || *node.name == **name) && (id.is_empty() || node.id == *id)
    });
    Ok(match found {
        Some(entry) if !(name.is_empty() && id.is_empty()) => Ok(Found::Node(Arc::clone(entry))),
        _ => Err(format!("node {name:?} doesn't exist")),
    })
}

pub(super) fn service(
    server: &Server,
    namespace: &Name,
    operation: &ServiceOp,
) -> Result<Result<Found, String>, ApiError> {
    only_get("service", &operation.verb)?;
    let key = InstanceKey {
        namespace: Name::clone(namespace),
        node: operation.node.as_str().into(),
        id: operation.service.instance_id().into(),
    };
    let found = server.registry().instance(&key).map(Found::Service);
    Ok(found.ok_or_else(|| format!("service {:?} on node {:?} doesn't exist", key.id, key.node)))
}

pub(super) fn check(
    server: &Server,
    namespace: &Name,
    operation: &CheckOp,
) -> Result<Result<Found, String>, ApiError> {
    only_get("check", &operation.verb)?;
    let key = CheckKey {
        namespace: Name::clone(namespace),
        node: operation.check.node.as_str().into(),
        id: operation.check.id().into(),
    };
    let found = server.registry().check(&key).map(|(check, instance)| {
        Found::Check(Box::new(FoundCheck {
            node: Name::clone(&key.node),
            instance,
            check,
        }))
    });
    Ok(found.ok_or_else(|| format!("check {:?} on node {:?} doesn't exist", key.id, key.node)))
}

fn only_get(what: &str, verb: &str) -> Result<(), ApiError> {
    if verb == "get" {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::NOT_IMPLEMENTED,
        format!(
            "transactions of golens' Consul API change keys only, so {verb:?} of a {what} is not part of it; \
             use /v1/catalog/register"
        ),
    ))
}
