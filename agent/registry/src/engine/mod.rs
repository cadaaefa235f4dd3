//! The engine: everything that can be asked of a registry.
//!
//! The way of a change: `register` and its kin check names and rights on the caller's task, then hand a
//! closure to the state. On the writer's thread it decides by [`pending`], writes rows and index rows; when
//! they are on disk, [`published`] follows, which is all that readers see, and then the waiters are woken.

mod alarms;
mod aliases;
mod audit;
mod cell;
mod change;
mod checks;
mod clock;
mod directory;
mod endpoints;
mod history;
mod instances;
mod load;
mod merge;
mod nodes;
mod options;
mod outward;
mod pending;
mod processes;
mod published;
mod remote;
mod results;
mod runs;
mod tables;
mod tokens;
mod transaction;
mod watch;

use std::{
    collections::BTreeSet,
    fmt,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    time::Instant,
};

use state::{Reader, Recovery, Store, Tx, tokens::Right};

use self::{
    audit::Denials,
    change::{Change, Model},
    checks::Checks,
    outward::Outward,
    pending::Pending,
    published::Published,
    tables::{List, list_key},
};
use crate::{
    Caller, OpenError, RegistryError, Revision,
    checks::Prober,
    degrade::{ClusterStatus, Shared, Trust},
    model::{
        Check, CheckKey, DEFAULT_NAMESPACE, Instance, InstanceKey, Name, NodeEntry, ServiceKey,
        Source,
    },
    resolve::Choosing,
    view::{NodeList, ServiceList},
};

pub use options::{Changed, Options, Statistics};
pub use transaction::Transaction;
pub use watch::WatchKey;

pub(crate) use outward::Dirty;
pub(crate) use remote::Remote;

/// A registry. Cheap to clone; the state is closed with the last clone.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    model: Arc<Model>,
    node: Name,
    denials: Denials,
    prober: Arc<Prober>,
    cluster: OnceLock<Arc<Shared>>,
    choosing: Choosing,
}

impl fmt::Debug for Registry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = &self.inner.node;
        out.debug_struct("Registry")
            .field("node", node)
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Opens the registry whose state is the file at `path`, and starts its clock. To be called inside a
    /// tokio runtime. What was registered by API is back at once; every TTL check has a whole TTL to
    /// report, and every check that was critical its whole time until removal.
    ///
    /// The second value says that the file was damaged and what was done: log it as an error.
    ///
    /// # Errors
    /// When the state cannot be opened or has rows of a format of another version.
    pub async fn open(
        path: &Path,
        options: Options,
    ) -> Result<(Self, Option<Recovery>), OpenError> {
        let opened = Store::open(path, &options.state)?;
        let model = Arc::new(Model {
            pending: Mutex::default(),
            published: Published::new(),
            checks: Checks::new(Name::clone(&options.node.name), Instant::now()),
            outward: Outward::new(Name::clone(&options.node.name)),
        });
        model.reload(&opened.store.read().map_err(state::OpenError::from)?)?;
        let registry = Self {
            inner: Arc::new(Inner {
                store: opened.store,
                model,
                node: Name::clone(&options.node.name),
                denials: Denials::default(),
                prober: Arc::new(Prober::new(options.probes)),
                cluster: OnceLock::new(),
                choosing: Choosing::default(),
            }),
        };
        registry
            .register_own_node(options.node, options.node_checks)
            .await?;
        clock::start(&registry.inner, options.snapshot_interval);
        Ok((registry, opened.recovery))
    }

    /// The durable state, for keys, sessions, transactions, tokens, audit and snapshots:
    /// `registry.store().write(move |tx| state::kv::put(tx, ..)).await`. To restore a snapshot, use
    /// [`restore`](Self::restore).
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The node that this process runs on.
    pub fn node_name(&self) -> &Name {
        &self.inner.node
    }

    /// Replaces everything by a snapshot; see [`Store::restore`].
    ///
    /// # Errors
    /// When the caller may not, or the snapshot cannot be restored; then nothing was changed.
    pub async fn restore(
        &self,
        snapshot: impl std::io::Read + Send + 'static,
        caller: &Caller,
    ) -> Result<Revision, RegistryError> {
        caller.require(Right::Admin, "*")?;
        let model = Arc::clone(&self.inner.model);
        let restored = self.inner.store.restore_then(snapshot, move |reader, _| {
            if let Err(error) = model.reload(reader) {
                tracing::error!(%error, "the restored state cannot be read");
            }
        });
        let revision = restored.await?;
        self.note_done(&caller.name, "snapshot.restore", "*")
            .await?;
        Ok(revision)
    }

    /// The services of a namespace that have instances.
    pub fn services(&self, namespace: &str) -> Arc<ServiceList> {
        let row = list_key(List::Services(namespace));
        self.inner.model.published.services(namespace, &row)
    }

    /// All nodes.
    pub fn nodes(&self) -> Arc<NodeList> {
        self.inner.model.published.nodes()
    }

    /// One node.
    pub fn node(&self, name: &str) -> Option<Arc<NodeEntry>> {
        self.nodes().find(name).map(Arc::clone)
    }

    /// All namespaces that have instances, in order.
    pub fn namespaces(&self) -> Vec<Name> {
        self.inner.model.published.namespaces()
    }

    /// Services of all namespaces with an instance at this address, whose tags are `shown`.
    pub(crate) fn services_at(
        &self,
        address: IpAddr,
        shown: impl Fn(&[String]) -> bool,
    ) -> BTreeSet<ServiceKey> {
        self.inner.model.published.services_at(address, shown)
    }

    /// One instance.
    pub fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        self.inner.model.published.instance(key)
    }

    /// Whether there is such an instance, be it hidden behind a registered one.
    pub fn holds(&self, key: &InstanceKey) -> bool {
        let pending = self.inner.model.pending();
        pending.instances.contains_key(key) || pending.shadowed.contains_key(key)
    }

    /// All instances on a node in a namespace, ordered by id.
    pub fn instances_on(&self, node: &str, namespace: &str) -> Vec<Arc<Instance>> {
        self.inner.model.published.instances_on(node, namespace)
    }

    /// One check with its newest output, and the instance that it belongs to, if not to the node.
    pub fn check(&self, key: &CheckKey) -> Option<(Check, Option<Arc<Instance>>)> {
        let live = self.inner.model.checks.get(key)?;
        let owner = live.owner.as_ref().and_then(|owner| self.instance(owner));
        let find = |checks: &[Check]| checks.iter().find(|check| check.spec.id == key.id).cloned();
        let mut check = match &owner {
            Some(owner) => find(&owner.checks)?,
            None => find(&self.node(&key.node)?.checks)?,
        };
        check.output = live.output();
        Some((check, owner))
    }

    /// Newest output of a check; it may be newer than that of the views.
    pub fn output(&self, key: &CheckKey) -> Option<String> {
        Some(self.inner.model.checks.get(key)?.output())
    }

    /// Revision of the newest change of anything.
    pub fn revision(&self) -> Revision {
        self.inner.store.revision()
    }

    /// Numbers for metrics.
    pub fn statistics(&self) -> Statistics {
        let model = &self.inner.model;
        Statistics {
            instances: model.published.count() as u64,
            services: model.published.service_count() as u64,
            checks: model.checks.count() as u64,
            heartbeats: model.checks.heartbeats(),
            check_runs: model.checks.runs(),
            state: self.inner.store.statistics(),
        }
    }

    /// The cluster as this node sees it; `None` for a registry that is alone.
    pub fn cluster_status(&self) -> Option<ClusterStatus> {
        let status = self.cluster()?.status(Instant::now());
        Some(ClusterStatus {
            remote_instances: self.inner.model.published.count_from(Source::Etcd) as u64,
            remote_nodes: self.remote_nodes().len() as u64,
            ..status
        })
    }

    /// How far what is known of other nodes is to be trusted, or of `service` if that is what matters.
    pub fn trust(&self, service: Option<&ServiceKey>) -> Trust {
        let trust = |shared: &Arc<Shared>| shared.trust(service, Instant::now());
        self.cluster().map(trust).unwrap_or_default()
    }

    /// What instances are chosen by.
    pub(crate) fn choosing(&self) -> &Choosing {
        &self.inner.choosing
    }

    /// Runs a change on the writer's thread.
    async fn change(
        &self,
        work: impl FnOnce(&mut Change<'_, '_>) -> Result<(), RegistryError> + Send + 'static,
    ) -> Result<Changed, RegistryError> {
        let model = Arc::clone(&self.inner.model);
        let change = move |tx: &mut Tx<'_>| model.change(tx, work);
        let committed = self.inner.store.write(change).await?;
        Ok(Changed {
            revision: committed.revision,
            changed: committed.changed,
        })
    }

    /// What a call that had nothing to change returns.
    fn unchanged(&self) -> Changed {
        Changed {
            revision: self.revision(),
            changed: false,
        }
    }
}

impl Model {
    /// Replaces everything by what is on disk.
    fn reload(&self, reader: &Reader) -> Result<(), OpenError> {
        let loaded = load::load(reader)?;
        let now = Instant::now();
        self.checks.clear(now);
        for node in &loaded.nodes {
            let place = (DEFAULT_NAMESPACE.into(), Name::clone(&node.node.name));
            self.checks
                .replace(&place, None, &[], node.live_checks(), now);
        }
        for instance in &loaded.instances {
            let key = &instance.key;
            let place = (Name::clone(&key.namespace), Name::clone(&key.node));
            self.checks
                .replace(&place, Some(key), &[], instance.live_checks(), now);
        }
        self.published.reload(loaded);
        *self.pending() = Pending::of(&self.published);
        self.outward.forget();
        Ok(())
    }
}
