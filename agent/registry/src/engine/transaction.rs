//! Several changes that take effect together or not at all.

use std::sync::Arc;

use state::{Committed, Tx, WriteError};

use super::{Registry, audit, change::Change, instances, merge, nodes};
use crate::{
    RegistryError,
    model::{
        Addition, Check, CheckKey, Instance, InstanceKey, Name, Node, NodeEntry, Registration,
        check_name,
    },
};

/// A transaction under way. It sees what it did so far; nobody else does before it is on disk.
///
/// Rights are not checked here: who starts one checks them before.
pub struct Transaction<'c, 'a, 'tx>(&'c mut Change<'a, 'tx>);

impl Registry {
    /// Runs `work` on the writer's thread. When it returns an error, nothing of it remains.
    ///
    /// # Errors
    /// Those of `work`; one of the state when the commit failed.
    pub async fn transact<T, E>(
        &self,
        work: impl FnOnce(&mut Transaction<'_, '_, '_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: From<RegistryError> + From<WriteError> + Send + 'static,
    {
        let model = Arc::clone(&self.inner.model);
        let change =
            move |tx: &mut Tx<'_>| model.change(tx, |change| work(&mut Transaction(change)));
        self.inner.store.write(change).await
    }
}

impl<'tx> Transaction<'_, '_, 'tx> {
    /// Keys, sessions and the rest of the state, in the same transaction.
    pub fn state(&mut self) -> &mut Tx<'tx> {
        self.0.tx
    }

    /// Notes in the audit log what `actor` did so far, if that changed anything.
    ///
    /// # Errors
    /// `State`.
    pub fn note(&mut self, actor: &Name, action: &str, target: &str) -> Result<(), RegistryError> {
        audit::note(self.0, actor, action, target)
    }

    /// One node.
    pub fn node(&self, name: &str) -> Option<Arc<NodeEntry>> {
        self.0.node(name)
    }

    /// The node that `matches`, if any.
    pub fn find_node(&self, matches: impl Fn(&Node) -> bool) -> Option<Arc<NodeEntry>> {
        let mut nodes = self.0.pending.nodes.values();
        nodes.find(|entry| matches(&entry.node)).map(Arc::clone)
    }

    /// One instance.
    pub fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        self.0.instance(key)
    }

    /// One check, and the instance that it belongs to, if not to the node.
    pub fn check(&self, key: &CheckKey) -> Option<(Check, Option<Arc<Instance>>)> {
        let find = |checks: &[Check]| checks.iter().find(|check| check.spec.id == key.id).cloned();
        let of_node = self.node(&key.node).and_then(|node| find(&node.checks));
        if let Some(check) = of_node {
            return Some((check, None));
        }
        let on_it = self.0.instances_on(&key.node).into_iter();
        let mut in_namespace = on_it.filter(|instance| instance.key.namespace == key.namespace);
        in_namespace.find_map(|instance| Some((find(&instance.checks)?, Some(instance))))
    }

    /// As [`Registry::register`].
    ///
    /// # Errors
    /// `Name`, `DuplicateCheck`, `UnknownNode`, `State`.
    pub fn register(&mut self, registration: Registration) -> Result<(), RegistryError> {
        merge::validate(&registration)?;
        instances::register(self.0, registration)
    }

    /// As [`Registry::deregister`].
    ///
    /// # Errors
    /// `UnknownInstance`, `State`.
    pub fn deregister(&mut self, key: &InstanceKey) -> Result<(), RegistryError> {
        instances::deregister(self.0, key)
    }

    /// As [`Registry::register_node`].
    ///
    /// # Errors
    /// `Name`, `DuplicateCheck`, `State`.
    pub fn register_node(&mut self, node: Node) -> Result<(), RegistryError> {
        check_name("the node", &node.name)?;
        nodes::register(self.0, node, Vec::new())
    }

    /// As [`Registry::deregister_node`].
    ///
    /// # Errors
    /// `UnknownNode`, `State`.
    pub fn deregister_node(&mut self, name: &Name) -> Result<(), RegistryError> {
        nodes::deregister(self.0, name)
    }

    /// As [`Registry::register_check`].
    ///
    /// # Errors
    /// `Name`, `UnknownInstance`, `UnknownNode`, `State`.
    pub fn register_check(
        &mut self,
        node: &Name,
        instance: Option<&InstanceKey>,
        check: Addition,
    ) -> Result<(), RegistryError> {
        merge::validate_checks(std::slice::from_ref(&check))?;
        match instance {
            Some(key) => instances::add_check(self.0, key, check),
            None => nodes::add_check(self.0, node, check),
        }
    }

    /// As [`Registry::deregister_check`].
    ///
    /// # Errors
    /// `UnknownCheck`, `State`.
    pub fn deregister_check(&mut self, key: &CheckKey) -> Result<(), RegistryError> {
        let removed = match self.check(key) {
            Some((_, Some(owner))) => instances::remove_check(self.0, &owner.key, &key.id)?,
            Some((_, None)) => nodes::remove_check(self.0, &key.node, &key.id)?,
            None => false,
        };
        match removed {
            true => Ok(()),
            false => Err(RegistryError::UnknownCheck(key.clone())),
        }
    }
}
