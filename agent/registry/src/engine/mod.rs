//! The engine: everything that can be asked of a registry.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use state::{Recovery, Revision, Store, Wake};

use crate::{
    Caller, OpenError, RegistryError,
    model::{
        Addition, Check, CheckKey, Instance, InstanceKey, Name, Node, NodeEntry, Registration,
        ServiceKey, Status,
    },
    view::{NodeList, ServiceList, ServiceView},
};

/// How to open a registry.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node that this process runs on; registered at once if it is not, and changed if it differs.
    pub node: Node,
    /// Checks of that node to begin with, such as `serfHealth`; one that exists already stays as it is.
    pub node_checks: Vec<Addition>,
    /// Options of the state.
    pub state: state::Options,
    /// Time between snapshots beside the file; none are kept without.
    pub snapshot_interval: Option<Duration>,
}

/// A change that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Revision of the change; of the one before when nothing had to be changed.
    pub revision: Revision,
    /// Whether something was changed: a registration equal to the last one changes nothing.
    pub changed: bool,
}

/// What one can wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchKey {
    /// Instances and checks of one service, there or not; also changes of nodes that they run on.
    Service(ServiceKey),
    /// Names and tags of all services of a namespace.
    Services(Name),
    /// Any check of a namespace, and checks of nodes.
    Checks(Name),
    /// All nodes.
    Nodes,
    /// One node: itself, its checks, all instances on it in all namespaces.
    Node(Name),
    /// One key of a namespace.
    Key(Name, String),
    /// All keys of a namespace that begin so.
    KeyPrefix(Name, String),
    /// All sessions.
    Sessions,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Instances of all namespaces.
    pub instances: u64,
    /// Services that have instances.
    pub services: u64,
    /// TTL checks whose deadline is kept.
    pub ttl_checks: u64,
    /// Heartbeats that were taken.
    pub heartbeats: u64,
    /// What the state did.
    pub state: state::Statistics,
}

/// A registry. Cheap to clone; the state is closed with the last clone.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
}

impl Registry {
    /// Opens the registry whose state is the file at `path`, and starts its clock. To be called inside a
    /// tokio runtime. What was registered by API is back at once; every TTL check has a whole TTL to report.
    ///
    /// The second value says that the file was damaged and what was done: log it as an error.
    ///
    /// # Errors
    /// When the state cannot be opened or has rows of a format of another version.
    pub async fn open(
        path: &Path,
        options: Options,
    ) -> Result<(Self, Option<Recovery>), OpenError> {
        skeleton()
    }

    /// The durable state, for keys, sessions, transactions, tokens, audit and snapshots:
    /// `registry.store().write(move |tx| state::kv::put(tx, ..)).await`.
    pub fn store(&self) -> &Store {
        skeleton()
    }

    /// The node that this process runs on.
    pub fn node_name(&self) -> &Name {
        skeleton()
    }

    /// Registers an instance, or changes it. An equal registration changes nothing and moves no index.
    ///
    /// # Errors
    /// `Denied`, `Name`, `DuplicateCheck`, `UnknownNode`, `Shadowed` (a discovered instance whose address
    /// and port were registered by API), `State`.
    pub async fn register(
        &self,
        registration: Registration,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        skeleton()
    }

    /// Removes an instance with its checks.
    ///
    /// # Errors
    /// `Denied`, `UnknownInstance`, `State`.
    pub async fn deregister(
        &self,
        key: &InstanceKey,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        skeleton()
    }

    /// Adds a check to an instance, or to the node without one; replaces a check with the same id.
    ///
    /// # Errors
    /// `Denied`, `Name`, `UnknownInstance`, `UnknownNode`, `State`.
    pub async fn register_check(
        &self,
        node: &Name,
        instance: Option<&InstanceKey>,
        check: Addition,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        skeleton()
    }

    /// Removes a check.
    ///
    /// # Errors
    /// `Denied`, `UnknownCheck`, `State`.
    pub async fn deregister_check(
        &self,
        key: &CheckKey,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        skeleton()
    }

    /// Takes the report of a TTL check: moves its deadline, and its status if it differs. Only the latter
    /// is written and moves an index.
    ///
    /// # Errors
    /// `Denied`, `UnknownCheck`, `NotTtl`, `State`.
    pub async fn heartbeat(
        &self,
        key: &CheckKey,
        status: Status,
        output: &str,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        skeleton()
    }

    /// Takes the result of any check, from whoever runs it. A new output with the old status is shown, but
    /// not written, and moves no index.
    ///
    /// # Errors
    /// `UnknownCheck`, `State`.
    pub async fn set_check_status(
        &self,
        key: &CheckKey,
        status: Status,
        output: &str,
    ) -> Result<Changed, RegistryError> {
        skeleton()
    }

    /// Replaces the tags of an instance.
    ///
    /// # Errors
    /// `Denied`, `UnknownInstance`, `State`.
    pub async fn set_tags(
        &self,
        key: &InstanceKey,
        tags: Vec<String>,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        skeleton()
    }

    /// Puts an instance into maintenance, with a reason, or takes it out, with `None`.
    ///
    /// # Errors
    /// `Denied`, `UnknownInstance`, `State`.
    pub async fn set_maintenance(
        &self,
        key: &InstanceKey,
        reason: Option<String>,
        caller: &Caller,
    ) -> Result<Changed, RegistryError> {
        skeleton()
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
        skeleton()
    }

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
        skeleton()
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
        skeleton()
    }

    /// One service; empty, with an index, when it has no instances.
    pub fn service(&self, key: &ServiceKey) -> Arc<ServiceView> {
        skeleton()
    }

    /// The services of a namespace that have instances.
    pub fn services(&self, namespace: &str) -> Arc<ServiceList> {
        skeleton()
    }

    /// All nodes.
    pub fn nodes(&self) -> Arc<NodeList> {
        skeleton()
    }

    /// One node.
    pub fn node(&self, name: &str) -> Option<Arc<NodeEntry>> {
        skeleton()
    }

    /// All namespaces that have instances, in order.
    pub fn namespaces(&self) -> Vec<Name> {
        skeleton()
    }

    /// One instance.
    pub fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        skeleton()
    }

    /// All instances on a node in a namespace, ordered by id.
    pub fn instances_on(&self, node: &str, namespace: &str) -> Vec<Arc<Instance>> {
        skeleton()
    }

    /// One check with its newest output, and the instance that it belongs to, if not to the node.
    pub fn check(&self, key: &CheckKey) -> Option<(Check, Option<Arc<Instance>>)> {
        skeleton()
    }

    /// Newest output of a check; it may be newer than that of the views.
    pub fn output(&self, key: &CheckKey) -> Option<String> {
        skeleton()
    }

    /// Index of what one can wait for: the revision of its last change. At least 2, and never goes back.
    ///
    /// # Errors
    /// When the state cannot be read, which only keys and sessions need.
    pub fn index(&self, key: &WatchKey) -> Result<Revision, RegistryError> {
        skeleton()
    }

    /// Waits until the index of `key` exceeds `seen`, or until `deadline`.
    ///
    /// # Errors
    /// When the state cannot be read, which only keys and sessions need.
    pub async fn watch(
        &self,
        key: &WatchKey,
        seen: Revision,
        deadline: Instant,
    ) -> Result<Wake, RegistryError> {
        skeleton()
    }

    /// Revision of the newest change of anything.
    pub fn revision(&self) -> Revision {
        skeleton()
    }

    /// Numbers for metrics.
    pub fn statistics(&self) -> Statistics {
        skeleton()
    }
}

fn skeleton<T>() -> T {
    std::process::abort()
}
