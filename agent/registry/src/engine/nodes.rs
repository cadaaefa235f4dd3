//! Registering, changing and removing nodes.

use state::tokens::Right;

use super::{Changed, Registry, change::Change, instances::maintenance, merge};
use crate::{
    Caller, OpenError, RegistryError,
    model::{Addition, CheckSpec, Name, Node, NodeEntry, Source, check_name},
};

impl Registry {
    /// Registers a node, or changes it; `checks` are added to those it has.
    ///
    /// # Errors
    /// `Denied`, `Name`, `DuplicateCheck`, `State`.
    pub async fn register_node(
        &self,
        node: Node,
        checks: Vec<Addition>,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        caller.require(Right::Admin, "*")?;
        check_name("the node", &node.name)?;
        merge::validate_checks(&checks)?;
        let target = node.name.to_string();
        self.noted(caller, "node.register", target, move |change| {
            register(change, node, checks)
        })
        .await
    }

    /// Removes a node with all its instances, in all namespaces.
    ///
    /// # Errors
    /// `Denied`, `UnknownNode`, `State`.
    pub async fn deregister_node(
        &self,
        node: &Name,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        caller.require(Right::Admin, "*")?;
        let node = Name::clone(node);
        let target = node.to_string();
        self.noted(caller, "node.deregister", target, move |change| {
            deregister(change, &node)
        })
        .await
    }

    /// Puts a node into maintenance, with a reason, or takes it out, with `None`.
    ///
    /// # Errors
    /// `Denied`, `UnknownNode`, `State`.
    pub async fn set_node_maintenance(
        &self,
        node: &Name,
        reason: Option<String>,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        caller.require(Right::Admin, "*")?;
        let node = Name::clone(node);
        let target = node.to_string();
        self.noted(caller, "node.maintain", target, move |change| {
            let spec = CheckSpec::node_maintenance(reason.as_deref().unwrap_or(""));
            match reason {
                Some(_) => add_check(change, &node, maintenance(spec)),
                None => remove_check(change, &node, &spec.id).map(drop),
            }
        })
        .await
    }

    /// Registers the node that this process runs on. Checks that it has stay as they are.
    pub(super) async fn register_own_node(
        &self,
        node: Node,
        mut checks: Vec<Addition>,
    ) -> Result<(), OpenError> {
        let old = self.node(&node.name);
        let is_known = |check: &Addition| {
            let old = old.iter().flat_map(|old| &old.checks);
            old.into_iter().any(|known| known.spec.id == check.spec.id)
        };
        checks.retain(|check| !is_known(check));
        let changed = self.change(move |change| {
            // The name may have been that of another node until now.
            change.is_remote = true;
            for instance in change.instances_on(&node.name) {
                if instance.source == Source::Etcd {
                    change.remove_instance(&instance.key)?;
                }
            }
            register(change, node, checks)
        });
        let changed = changed.await;
        changed
            .map(drop)
            .map_err(|error| OpenError::Node(Box::new(error)))
    }
}

fn known(change: &Change<'_, '_>, name: &Name) -> Result<NodeEntry, RegistryError> {
    let entry = change.node(name);
    let entry = entry.ok_or_else(|| RegistryError::UnknownNode(Name::clone(name)))?;
    Ok(NodeEntry::clone(&entry))
}

pub(super) fn register(
    change: &mut Change<'_, '_>,
    node: Node,
    checks: Vec<Addition>,
) -> Result<(), RegistryError> {
    let old = change.node(&node.name);
    let new = merge::node(node, checks, old.as_deref(), change.revision());
    match old.as_deref() == Some(&new) {
        true => Ok(()),
        false => change.put_node(new),
    }
}

/// Removes a node with all its instances.
pub(super) fn deregister(change: &mut Change<'_, '_>, name: &Name) -> Result<(), RegistryError> {
    known(change, name)?;
    for instance in change.instances_on(name) {
        change.remove_instance(&instance.key)?;
    }
    change.remove_node(name)
}

/// Adds a check to a node, or changes it.
pub(super) fn add_check(
    change: &mut Change<'_, '_>,
    node: &Name,
    addition: Addition,
) -> Result<(), RegistryError> {
    let mut entry = known(change, node)?;
    let checks = merge::checks(vec![addition], &entry.checks, true, change.revision());
    if checks == entry.checks {
        return Ok(());
    }
    entry.checks = checks;
    change.put_node(entry)
}

/// Removes a check of a node. Returns whether it was there.
pub(super) fn remove_check(
    change: &mut Change<'_, '_>,
    node: &Name,
    id: &Name,
) -> Result<bool, RegistryError> {
    let mut entry = known(change, node)?;
    let before = entry.checks.len();
    entry.checks.retain(|check| check.spec.id != *id);
    if entry.checks.len() == before {
        return Ok(false);
    }
    change.put_node(entry)?;
    Ok(true)
}
