//! What readers see: everything that is on disk, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;

use super::{cell::Cell, directory::Directory, pending::Step};
use crate::{
    Revision,
    model::{Instance, InstanceKey, Name, NodeEntry, ServiceKey, Source},
    view::{NodeList, ServiceList, ServiceSummary},
};

/// Services without instances that are kept in memory; indexes of others are read from disk.
const EMPTY_CELLS: usize = 1_024;

type Cells = HashMap<Name, HashMap<Name, Arc<Cell>>>;

/// Changed by the writer's thread alone.
pub(super) struct Published {
    cells: RwLock<Cells>,
    instances: RwLock<BTreeMap<InstanceKey, Arc<Instance>>>,
    nodes: ArcSwap<NodeList>,
    lists: Mutex<Lists>,
    /// Index of lists that never changed.
    floor: AtomicU64,
}

#[derive(Default)]
struct Lists {
    directories: HashMap<Name, Directory>,
    /// Lists of services, made when first asked for.
    services: HashMap<Name, Arc<ServiceList>>,
    /// Index of lists by the key of their row.
    indexes: HashMap<Vec<u8>, Revision>,
    empty: VecDeque<ServiceKey>,
}

impl Published {
    pub(super) fn new() -> Self {
        let nodes = NodeList {
            index: Revision::FIRST,
            nodes: Vec::new(),
        };
        Self {
            cells: RwLock::default(),
            instances: RwLock::default(),
            nodes: ArcSwap::from_pointee(nodes),
            lists: Mutex::default(),
            floor: AtomicU64::new(Revision::FIRST.0),
        }
    }

    /// The cell of a service, when it has or lately had instances.
    pub(super) fn cell(&self, namespace: &str, service: &str) -> Option<Arc<Cell>> {
        let cells = read(&self.cells);
        cells.get(namespace)?.get(service).map(Arc::clone)
    }

    pub(super) fn instance(&self, key: &InstanceKey) -> Option<Arc<Instance>> {
        read(&self.instances).get(key).map(Arc::clone)
    }

    pub(super) fn instances_on(&self, node: &str, namespace: &str) -> Vec<Arc<Instance>> {
        let first = InstanceKey {
            namespace: namespace.into(),
            node: node.into(),
            id: "".into(),
        };
        let instances = read(&self.instances);
        let from = instances.range(first..);
        from.take_while(|(key, _)| &*key.namespace == namespace && &*key.node == node)
            .map(|(_, instance)| Arc::clone(instance))
            .collect()
    }

    pub(super) fn all_instances(&self) -> Vec<Arc<Instance>> {
        read(&self.instances).values().map(Arc::clone).collect()
    }

    /// Looks through all instances: nobody asks for the names of addresses often.
    pub(super) fn services_at(
        &self,
        address: IpAddr,
        shown: impl Fn(&[String]) -> bool,
    ) -> BTreeSet<ServiceKey> {
        let text = address.to_string();
        // An IPv6 address can be written in many ways.
        let is_same =
            |other: &str| other == text || address.is_ipv6() && other.parse() == Ok(address);
        let instances = read(&self.instances);
        let there = instances
            .values()
            .filter(|instance| is_same(&instance.address) && shown(&instance.tags));
        there.map(|instance| instance.service_key()).collect()
    }

    pub(super) fn count(&self) -> usize {
        read(&self.instances).len()
    }

    /// Instances from one source.
    pub(super) fn count_from(&self, source: Source) -> usize {
        let instances = read(&self.instances);
        let from_it = instances
            .values()
            .filter(|instance| instance.source == source);
        from_it.count()
    }

    pub(super) fn nodes(&self) -> Arc<NodeList> {
        self.nodes.load_full()
    }

    pub(super) fn namespaces(&self) -> Vec<Name> {
        let lists = self.lists();
        let with_services = lists.directories.iter().filter(|(_, d)| !d.is_empty());
        let mut names: Vec<_> = with_services.map(|(name, _)| Name::clone(name)).collect();
        names.sort();
        names
    }

    pub(super) fn service_count(&self) -> usize {
        self.lists().directories.values().map(Directory::len).sum()
    }

    /// The list of services; made once per change.
    pub(super) fn services(&self, namespace: &str, row: &[u8]) -> Arc<ServiceList> {
        let mut lists = self.lists();
        if let Some(list) = lists.services.get(namespace) {
            return Arc::clone(list);
        }
        let name: Name = namespace.into();
        let summary = |(service, tags): (&Name, _)| ServiceSummary {
            key: ServiceKey::new(Name::clone(&name), Name::clone(service)),
            tags,
        };
        let directory = lists.directories.get(namespace);
        let list = Arc::new(ServiceList {
            index: self.list_index_in(&lists, row),
            services: directory
                .map(|directory| directory.services().map(summary).collect())
                .unwrap_or_default(),
        });
        // Only namespaces that exist are worth keeping.
        if directory.is_some() {
            lists.services.insert(name, Arc::clone(&list));
        }
        list
    }

    /// Index of a list, by the key of its row.
    pub(super) fn list_index(&self, row: &[u8]) -> Revision {
        self.list_index_in(&self.lists(), row)
    }

    fn list_index_in(&self, lists: &Lists, row: &[u8]) -> Revision {
        let index = lists.indexes.get(row).copied();
        index.unwrap_or(Revision(self.floor.load(Ordering::Acquire)))
    }

    /// Makes the steps of a change visible: first what readers find, then the indexes that send them there.
    pub(super) fn apply(&self, change: Applied) {
        let mut touched: Vec<ServiceKey> = Vec::new();
        let is_node_change = |step: &Step| matches!(step, Step::Node { .. });
        let nodes_changed = change.steps.iter().any(is_node_change);
        for step in change.steps {
            match step {
                Step::Instance { before, after } => {
                    for instance in before.iter().chain(&after) {
                        touched.push(instance.service_key());
                    }
                    self.replace_instance(before, after, change.revision);
                }
                Step::Node { before, after } => self.replace_node(before, after, change.revision),
                Step::Shadowed { .. } => {}
            }
        }
        if nodes_changed {
            for key in &change.services {
                self.cell_or_new(key, change.revision)
                    .forget(change.revision);
            }
        }
        touched.extend(change.services);
        let mut lists = self.lists();
        for row in change.lists {
            lists.indexes.insert(row, change.revision);
        }
        for namespace in change.directories {
            lists.services.remove(&namespace);
        }
        drop(lists);
        for key in touched {
            self.touch(&key, change.revision);
        }
    }

    fn replace_instance(
        &self,
        before: Option<Arc<Instance>>,
        after: Option<Arc<Instance>>,
        revision: Revision,
    ) {
        {
            let mut instances = write(&self.instances);
            if let Some(before) = &before {
                instances.remove(&before.key);
            }
            if let Some(after) = &after {
                instances.insert(after.key.clone(), Arc::clone(after));
            }
        }
        {
            let mut lists = self.lists();
            if let Some(after) = &after {
                let namespace = Name::clone(&after.key.namespace);
                lists.directories.entry(namespace).or_default().add(after);
            }
            if let Some(before) = &before
                && let Some(directory) = lists.directories.get_mut(&before.key.namespace)
            {
                directory.remove(before);
            }
        }
        if let Some(before) = before
            && let Some(cell) = self.cell(&before.key.namespace, &before.service)
        {
            cell.remove(&before.key, revision);
        }
        if let Some(after) = after {
            self.cell_or_new(&after.service_key(), revision)
                .insert(after, revision);
        }
    }

    /// The cell of a service; one that is made for a change at `revision` knows of nothing before.
    fn cell_or_new(&self, key: &ServiceKey, revision: Revision) -> Arc<Cell> {
        if let Some(cell) = self.cell(&key.namespace, &key.service) {
            return cell;
        }
        let mut cells = write(&self.cells);
        let services = cells.entry(Name::clone(&key.namespace)).or_default();
        let cell = services.entry(Name::clone(&key.service));
        let new = || {
            let cell = Cell::new(key.clone());
            cell.forget(Revision(revision.0.saturating_sub(1)));
            Arc::new(cell)
        };
        Arc::clone(cell.or_insert_with(new))
    }

    fn replace_node(
        &self,
        before: Option<Arc<NodeEntry>>,
        after: Option<Arc<NodeEntry>>,
        revision: Revision,
    ) {
        let mut nodes = self.nodes().nodes.clone();
        if let Some(before) = before {
            nodes.retain(|entry| entry.node.name != before.node.name);
        }
        if let Some(after) = after {
            let at = nodes.partition_point(|entry| entry.node.name < after.node.name);
            nodes.insert(at, after);
        }
        let index = revision;
        self.nodes.store(Arc::new(NodeList { index, nodes }));
    }

    /// Raises the index of a service.
    fn touch(&self, key: &ServiceKey, revision: Revision) {
        let cell = self.cell_or_new(key, revision);
        cell.raise(revision);
        if cell.is_empty() {
            self.keep_few_empty(key);
        }
    }

    /// Forgets the services that have been without instances for longest.
    fn keep_few_empty(&self, key: &ServiceKey) {
        let mut lists = self.lists();
        lists.empty.push_back(key.clone());
        if lists.empty.len() <= EMPTY_CELLS {
            return;
        }
        let Some(oldest) = lists.empty.pop_front() else {
            return;
        };
        drop(lists);
        let mut cells = write(&self.cells);
        if let Some(services) = cells.get_mut(&oldest.namespace)
            && services
                .get(&oldest.service)
                .is_some_and(|cell| cell.is_empty())
        {
            services.remove(&oldest.service);
        }
    }

    /// Replaces everything.
    pub(super) fn reload(&self, loaded: Loaded) {
        self.floor.store(loaded.floor.0, Ordering::Release);
        self.nodes.store(Arc::new(NodeList {
            index: loaded.node_index,
            nodes: loaded.nodes,
        }));
        let mut lists = Lists {
            indexes: loaded.list_indexes,
            ..Lists::default()
        };
        let mut cells = Cells::new();
        let mut instances = BTreeMap::new();
        for instance in loaded.instances {
            let key = instance.service_key();
            let directory = lists.directories.entry(Name::clone(&key.namespace));
            directory.or_default().add(&instance);
            let services = cells.entry(Name::clone(&key.namespace)).or_default();
            let cell = services
                .entry(Name::clone(&key.service))
                .or_insert_with(|| Arc::new(Cell::new(key)));
            cell.load(Arc::clone(&instance));
            instances.insert(instance.key.clone(), instance);
        }
        for (key, index) in loaded.service_indexes {
            let cell = cells.get(&key.namespace).and_then(|s| s.get(&key.service));
            if let Some(cell) = cell {
                cell.raise(index);
                cell.forget(index);
            }
        }
        *write(&self.instances) = instances;
        *write(&self.cells) = cells;
        *self.lists() = lists;
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change that is on disk.
pub(super) struct Applied {
    pub(super) revision: Revision,
    pub(super) steps: Vec<Step>,
    /// Services that changed without a step of their own: their node did.
    pub(super) services: Vec<ServiceKey>,
    /// Rows of the lists whose index rises.
    pub(super) lists: Vec<Vec<u8>>,
    /// Namespaces in which a name or a tag appeared or is gone.
    pub(super) directories: Vec<Name>,
}

/// Everything that is on disk.
pub(super) struct Loaded {
    /// Index of what has none of its own.
    pub(super) floor: Revision,
    pub(super) nodes: Vec<Arc<NodeEntry>>,
    pub(super) node_index: Revision,
    pub(super) instances: Vec<Arc<Instance>>,
    pub(super) service_indexes: Vec<(ServiceKey, Revision)>,
    pub(super) list_indexes: HashMap<Vec<u8>, Revision>,
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
