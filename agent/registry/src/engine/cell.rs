//! One service: its instances, and the view that readers share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;

use super::history::{History, Place};
use crate::{
    Revision,
    model::{Instance, InstanceKey, Name, ServiceKey},
    view::{Entry, NodeList, ServiceView},
};

#[derive(Debug, Default)]
struct Instances {
    by_place: BTreeMap<Place, Arc<Instance>>,
    history: History,
}

/// One service. Writers change the instances and then raise the index; the first reader after that makes
/// the view, so a service that changes a thousand times between two looks is copied once.
pub(super) struct Cell {
    instances: Mutex<Instances>,
    index: AtomicU64,
    view: ArcSwap<ServiceView>,
}

impl Cell {
    pub(super) fn new(key: ServiceKey) -> Self {
        Self {
            instances: Mutex::default(),
            index: AtomicU64::new(0),
            view: ArcSwap::from_pointee(ServiceView::new(key, Revision(0), Vec::new())),
        }
    }

    /// Takes an instance as it was loaded. What happened to it before is not known.
    pub(super) fn load(&self, instance: Arc<Instance>) {
        let place = place(&instance.key);
        self.lock().by_place.insert(place, instance);
    }

    pub(super) fn insert(&self, instance: Arc<Instance>, revision: Revision) {
        let place = place(&instance.key);
        let mut instances = self.lock();
        instances.history.note(revision, Place::clone(&place));
        instances.by_place.insert(place, instance);
    }

    pub(super) fn remove(&self, key: &InstanceKey, revision: Revision) {
        let place = place(key);
        let mut instances = self.lock();
        instances.by_place.remove(&place);
        instances.history.note(revision, place);
    }

    /// Everything may have changed up to `revision`.
    pub(super) fn forget(&self, revision: Revision) {
        self.lock().history = History::since(revision);
    }

    /// The instances that changed after `seen` and up to `until`; `None` when that is not known.
    pub(super) fn changed(&self, seen: Revision, until: Revision) -> Option<BTreeSet<Place>> {
        self.lock().history.between(seen, until)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().by_place.is_empty()
    }

    pub(super) fn raise(&self, revision: Revision) {
        self.index.fetch_max(revision.0, Ordering::AcqRel);
    }

    pub(super) fn index(&self) -> Revision {
        Revision(self.index.load(Ordering::Acquire))
    }

    /// The service as it is. Takes no lock while nothing changes.
    pub(super) fn view(&self, nodes: impl Fn() -> Arc<NodeList>) -> Arc<ServiceView> {
        let view = self.view.load_full();
        if view.index == self.index() {
            return view;
        }
        let instances = self.lock();
        // The index before the content: what is read now is at least as new.
        let index = self.index();
        let view = self.view.load_full();
        if view.index == index {
            return view;
        }
        let nodes = nodes();
        let entries = instances.by_place.values().filter_map(|instance| {
            Some(Entry {
                node: Arc::clone(nodes.find(&instance.key.node)?),
                instance: Arc::clone(instance),
            })
        });
        let view = ServiceView::new(view.key.clone(), index, entries.collect());
        let view = Arc::new(view);
        self.view.store(Arc::clone(&view));
        view
    }

    fn lock(&self) -> MutexGuard<'_, Instances> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(key: &InstanceKey) -> Place {
    (Name::clone(&key.node), Name::clone(&key.id))
}
