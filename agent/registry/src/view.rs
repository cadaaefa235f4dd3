//! What readers see: immutable, shared, rendered once per change.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;

use crate::{
    Revision,
    model::{Health, Instance, Name, NodeEntry, ServiceKey},
};

/// An instance with the node that it runs on.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The node, with the checks that concern all its instances.
    pub node: Arc<NodeEntry>,
    /// The instance, with its own checks.
    pub instance: Arc<Instance>,
}

impl Entry {
    /// What the checks of instance and node add up to.
    pub fn health(&self) -> Health {
        Health::of(self.node.checks.iter().chain(&self.instance.checks))
    }

    /// Whether no check says otherwise.
    pub fn is_passing(&self) -> bool {
        self.health() == Health::Passing
    }
}

/// A form that a view is rendered in. Each is made at most once per view, when first asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// Body of `/v1/health/service/:service`.
    ConsulHealth,
    /// The same with `?passing`.
    ConsulHealthPassing,
    /// Body of `/v1/catalog/service/:service`.
    ConsulCatalog,
    /// Body of `/v1/health/checks/:service`.
    ConsulChecks,
    /// A whole gRPC snapshot.
    Grpc,
}

/// Number of [`Rendering`]s.
const RENDERINGS: usize = 5;

/// One service at one index.
#[derive(Debug)]
pub struct ServiceView {
    /// Namespace and service.
    pub key: ServiceKey,
    /// Revision of the last change of anything in it. For a service without instances: of the change that
    /// took the last one.
    pub index: Revision,
    /// Instances, ordered by node and id.
    pub entries: Vec<Entry>,
    renderings: [OnceLock<Arc<[u8]>>; RENDERINGS],
    /// The last step to this view that was asked for, and from where.
    step: Mutex<Option<(Revision, Bytes)>>,
}

impl ServiceView {
    pub(crate) fn new(key: ServiceKey, index: Revision, entries: Vec<Entry>) -> Self {
        Self {
            key,
            index,
            entries,
            renderings: Default::default(),
            step: Mutex::default(),
        }
    }

    /// The bytes that lead from revision `seen` to this view. Nearly all who follow a service have seen the
    /// same, so one step is kept: whoever asks first makes it, and those behind share.
    pub(crate) fn step_from(&self, seen: Revision, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        match &*step {
            Some((from, bytes)) if *from == seen => bytes.clone(),
            _ => {
                let bytes = make();
                *step = Some((seen, bytes.clone()));
                bytes
            }
        }
    }

    /// The bytes of this view in one form. Whoever asks first renders; all others share.
    pub fn rendered(&self, form: Rendering, render: impl FnOnce(&Self) -> Vec<u8>) -> Arc<[u8]> {
        let slot = &self.renderings[form as usize];
        Arc::clone(slot.get_or_init(|| render(self).into()))
    }

    /// Instances that no check speaks against.
    pub fn passing(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_passing())
    }
}

/// One service in the list of services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSummary {
    /// Namespace and service.
    pub key: ServiceKey,
    /// All tags of all instances.
    pub tags: BTreeSet<String>,
}

/// The services of one namespace that have instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceList {
    /// Revision of the last change of a name or a tag. Instances that come and go without such do not move it.
    pub index: Revision,
    /// Ordered by name.
    pub services: Vec<ServiceSummary>,
}

/// All nodes.
#[derive(Clone, Debug)]
pub struct NodeList {
    /// Revision of the last change of a node.
    pub index: Revision,
    /// Ordered by name.
    pub nodes: Vec<Arc<NodeEntry>>,
}

impl NodeList {
    /// The node of that name.
    pub fn find(&self, name: &str) -> Option<&Arc<NodeEntry>> {
        let found = self
            .nodes
            .binary_search_by(|entry| Name::as_ref(&entry.node.name).cmp(name));
        found.ok().and_then(|at| self.nodes.get(at))
    }
}
