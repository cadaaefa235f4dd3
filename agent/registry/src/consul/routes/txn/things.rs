//! Operations of a transaction on nodes, services and checks.

use std::sync::Arc;

use state::tokens::Right;

use super::verb::Verb;
use crate::{
    Caller, RegistryError, Transaction,
    consul::{
        error::ApiError,
        types::{
            check::CheckRow,
            service::{ServiceForm, ServiceRow},
            txn::{CheckOp, NodeOp, ServiceOp},
        },
    },
    model::{
        Addition, Check, CheckKey, Instance, InstanceKey, Name, Node, NodeEntry, Registration,
    },
};

/// What an operation shows.
pub(super) enum Found {
    Node(Arc<NodeEntry>),
    Service(Arc<Instance>),
    Check(Box<FoundCheck>),
}

/// A check and where it belongs.
pub(super) struct FoundCheck {
    key: CheckKey,
    instance: Option<Arc<Instance>>,
    check: Check,
}

impl FoundCheck {
    /// The check as the API shows it, with its newest words.
    pub(super) fn row<'a>(&'a self, output: &'a str) -> CheckRow<'a> {
        CheckRow {
            node: &self.key.node,
            instance: self.instance.as_deref(),
            check: &self.check,
            output,
            is_raw: true,
        }
    }

    /// Newest words of the check.
    pub(super) fn output(&self, registry: &crate::Registry) -> String {
        let newest = registry.output(&self.key);
        newest.unwrap_or_else(|| self.check.output.clone())
    }
}

/// The instance as the API shows it.
pub(super) fn service_row(instance: &Instance) -> ServiceRow<'_> {
    ServiceRow {
        instance,
        form: ServiceForm::Catalog,
    }
}

/// One operation, understood.
pub(super) struct Operation {
    verb: Verb,
    thing: Thing,
}

enum Thing {
    Node(Box<Node>),
    Service(InstanceKey, Option<Box<Registration>>),
    Check(CheckKey, Option<InstanceKey>, Option<Box<Addition>>),
}

/// What became of an operation: what it shows, or in words why it failed.
pub(super) type Outcome = Result<Option<Found>, String>;

impl Operation {
    pub(super) fn node(operation: NodeOp) -> Result<Self, ApiError> {
        let NodeOp { verb, node } = operation;
        Ok(Self {
            verb: Verb::parse("node", &verb, node.modify_index)?,
            thing: Thing::Node(Box::new(Node {
                name: node.node.into(),
                id: node.id,
                address: node.address,
                tagged_addresses: node.tagged_addresses,
                meta: node.meta,
            })),
        })
    }

    pub(super) fn service(namespace: &Name, operation: ServiceOp) -> Result<Self, ApiError> {
        let ServiceOp {
            verb,
            node,
            service,
        } = operation;
        let verb = Verb::parse("service", &verb, service.modify_index)?;
        let key = InstanceKey {
            namespace: Name::clone(namespace),
            node: node.into(),
            id: service.instance_id().into(),
        };
        let registration = match verb.sets() {
            true => {
                let node = Name::clone(&key.node);
                Some(Box::new(
                    service.registration(Name::clone(namespace), node)?,
                ))
            }
            false => None,
        };
        Ok(Self {
            verb,
            thing: Thing::Service(key, registration),
        })
    }

    pub(super) fn check(namespace: &Name, operation: CheckOp) -> Result<Self, ApiError> {
        let CheckOp { verb, check } = operation;
        let verb = Verb::parse("check", &verb, check.modify_index)?;
        let node = Name::from(check.node.as_str());
        let key = CheckKey {
            namespace: Name::clone(namespace),
            node: Name::clone(&node),
            id: check.id().into(),
        };
        let owner = (!check.service_id.is_empty()).then(|| InstanceKey {
            namespace: Name::clone(namespace),
            node,
            id: check.service_id.as_str().into(),
        });
        let addition = match verb.sets() {
            true => Some(Box::new(check.addition()?)),
            false => None,
        };
        Ok(Self {
            verb,
            thing: Thing::Check(key, owner, addition),
        })
    }

    /// Checks that `caller` may do it in `namespace`: nodes belong to none.
    ///
    /// # Errors
    /// `Denied`.
    pub(super) fn allow(&self, caller: &Caller, namespace: &str) -> Result<(), RegistryError> {
        let of_node = match &self.thing {
            Thing::Node(_) => true,
            Thing::Service(..) => false,
            Thing::Check(_, owner, _) => owner.is_none(),
        };
        match (self.verb.writes(), of_node) {
            (false, _) => caller.require(Right::Read, namespace),
            (true, false) => caller.require(Right::Write, namespace),
            (true, true) => caller.require(Right::Admin, "*"),
        }
    }

    /// Carries it out.
    ///
    /// # Errors
    /// The state could not be read.
    pub(super) fn run(
        self,
        transaction: &mut Transaction<'_, '_, '_>,
    ) -> Result<Outcome, RegistryError> {
        let verb = self.verb;
        let done = match self.thing {
            Thing::Node(node) => run_node(transaction, verb, *node),
            Thing::Service(key, registration) => run_service(transaction, verb, &key, registration),
            Thing::Check(key, owner, addition) => {
                run_check(transaction, verb, &key, owner.as_ref(), addition)
            }
        };
        match done {
            Ok(found) => Ok(Ok(found)),
            Err(Failed::Operation(what)) => Ok(Err(what)),
            Err(Failed::Registry(error @ RegistryError::State(_))) => Err(error),
            Err(Failed::Registry(error)) => Ok(Err(error.to_string())),
        }
    }
}

enum Failed {
    Operation(String),
    Registry(RegistryError),
}

impl From<String> for Failed {
    fn from(what: String) -> Self {
        Self::Operation(what)
    }
}

impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

fn run_node(
    transaction: &mut Transaction<'_, '_, '_>,
    verb: Verb,
    node: Node,
) -> Result<Option<Found>, Failed> {
    let found = find(transaction, &node);
    let at = found.as_ref().map(|entry| entry.modify_revision);
    verb.expect(&format!("node {:?}", node.name), at)?;
    // One that is named by its id alone.
    let name = found.as_ref().map_or_else(
        || Name::clone(&node.name),
        |entry| Name::clone(&entry.node.name),
    );
    if verb.sets() {
        let name = Name::clone(&name);
        transaction.register_node(Node { name, ..node })?;
    } else if verb.writes() {
        if found.is_some() {
            transaction.deregister_node(&name)?;
        }
        return Ok(None);
    }
    Ok(transaction.node(&name).map(Found::Node))
}

/// The node of that name and id, as far as they are given.
fn find(transaction: &Transaction<'_, '_, '_>, wanted: &Node) -> Option<Arc<NodeEntry>> {
    if !wanted.name.is_empty() {
        let named = transaction.node(&wanted.name);
        return named.filter(|entry| wanted.id.is_empty() || entry.node.id == wanted.id);
    }
    transaction.find_node(|node| !wanted.id.is_empty() && node.id == wanted.id)
}

fn run_service(
    transaction: &mut Transaction<'_, '_, '_>,
    verb: Verb,
    key: &InstanceKey,
    registration: Option<Box<Registration>>,
) -> Result<Option<Found>, Failed> {
    let found = transaction.instance(key);
    let at = found.as_ref().map(|instance| instance.modify_revision);
    verb.expect(&format!("service {:?} on node {:?}", key.id, key.node), at)?;
    if let Some(registration) = registration {
        transaction.register(*registration)?;
    } else if verb.writes() {
        if found.is_some() {
            transaction.deregister(key)?;
        }
        return Ok(None);
    }
    Ok(transaction.instance(key).map(Found::Service))
}

fn run_check(
    transaction: &mut Transaction<'_, '_, '_>,
    verb: Verb,
    key: &CheckKey,
    owner: Option<&InstanceKey>,
    addition: Option<Box<Addition>>,
) -> Result<Option<Found>, Failed> {
    let found = transaction.check(key);
    let at = found.as_ref().map(|(check, _)| check.modify_revision);
    verb.expect(&format!("check {:?} on node {:?}", key.id, key.node), at)?;
    if let Some(addition) = addition {
        transaction.register_check(&key.node, owner, *addition)?;
    } else if verb.writes() {
        if found.is_some() {
            transaction.deregister_check(key)?;
        }
        return Ok(None);
    }
    let shown = transaction.check(key).map(|(check, instance)| {
        Found::Check(Box::new(FoundCheck {
            key: key.clone(),
            instance,
            check,
        }))
    });
    Ok(shown)
}
