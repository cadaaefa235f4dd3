//! What one can wait for, and its index.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use state::{Rows, Subscription, Topic, Wake, kv, sessions};

use super::{
    Registry,
    tables::{LIST_INDEX, List, SERVICE_INDEX, list_key, service_key},
};
use crate::{
    RegistryError, Revision,
    model::{Name, ServiceKey},
    view::ServiceView,
};

/// What one can wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchKey {
    /// Instances and checks of one service, there or not; also changes of nodes that they run on.
    Service(ServiceKey),
    /// Names and tags of all services of a namespace.
    Services(Name),
    /// Checks of the instances of a namespace.
    Checks(Name),
    /// Checks of nodes.
    NodeChecks,
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

impl WatchKey {
    fn topic(&self) -> Topic {
        match self {
            Self::Service(key) => {
                Topic::row(SERVICE_INDEX, &service_key(&key.namespace, &key.service))
            }
            Self::Key(namespace, key) => kv::topic(namespace, key),
            Self::KeyPrefix(namespace, prefix) => kv::topic_of_prefix(namespace, prefix),
            Self::Sessions => sessions::topic(),
            list => Topic::row(LIST_INDEX, &list.row()),
        }
    }

    /// Row of the index of a list.
    fn row(&self) -> Vec<u8> {
        list_key(match self {
            Self::Services(namespace) => List::Services(namespace),
            Self::Checks(namespace) => List::Checks(namespace),
            Self::Node(node) => List::Node(node),
            Self::NodeChecks => List::Checks(""),
            _ => List::Nodes,
        })
    }
}

impl Registry {
    /// One service; empty, with an index, when it has no instances.
    ///
    /// # Errors
    /// When the state cannot be read, which only a service without instances needs.
    pub fn service(
        &self,
        namespace: &str,
        service: &str,
    ) -> Result<Arc<ServiceView>, RegistryError> {
        // Before the look: what is committed and not yet visible must not count.
        let visible = self.revision();
        if let Some(view) = self.find_service(namespace, service) {
            return Ok(view);
        }
        let row = service_key(namespace, service);
        let index = self.inner.store.read()?.index(SERVICE_INDEX, &row)?;
        let key = ServiceKey::new(namespace, service);
        Ok(Arc::new(ServiceView::new(
            key,
            index.min(visible),
            Vec::new(),
        )))
    }

    /// One service that has or lately had instances, from memory alone: for those who ask for any name and
    /// need no index of an absent one.
    pub fn find_service(&self, namespace: &str, service: &str) -> Option<Arc<ServiceView>> {
        let published = &self.inner.model.published;
        let cell = published.cell(namespace, service)?;
        Some(cell.view(|| published.nodes()))
    }

    /// A service that changed after revision `seen`; `None` when it did not.
    ///
    /// # Errors
    /// As [`service`](Self::service).
    pub fn news(
        &self,
        key: &ServiceKey,
        seen: Revision,
    ) -> Result<Option<Arc<ServiceView>>, RegistryError> {
        let view = self.service(&key.namespace, &key.service)?;
        // A revision that is not there yet is that of another registry.
        let is_from_here = seen <= self.revision().max(view.index);
        Ok((view.index > seen || !is_from_here).then_some(view))
    }

    /// Node and id of the instances that came, changed or went between revision `seen` and `view`; `None` when
    /// that is not known, so that everything may have changed. The steps are known for a few hundred changes
    /// of the service, and since the start of this process.
    pub fn steps(&self, view: &ServiceView, seen: Revision) -> Option<BTreeSet<(Name, Name)>> {
        let (published, key) = (&self.inner.model.published, &view.key);
        let cell = published.cell(&key.namespace, &key.service)?;
        (seen < view.index)
            .then(|| cell.changed(seen, view.index))
            .flatten()
    }

    /// Index of what one can wait for: the revision of its last change. At least 2, and never goes back.
    /// To be asked before the content is read, so that the content is at least as new.
    ///
    /// # Errors
    /// When the state cannot be read, which only keys, sessions and absent services need.
    pub fn index(&self, key: &WatchKey) -> Result<Revision, RegistryError> {
        match key {
            WatchKey::Service(key) => Ok(self.service(&key.namespace, &key.service)?.index),
            WatchKey::Key(..) | WatchKey::KeyPrefix(..) | WatchKey::Sessions => {
                Ok(key.topic().index(&self.inner.store.read()?)?)
            }
            list => Ok(self.inner.model.published.list_index(&list.row())),
        }
    }

    /// Waits until the index of `key` exceeds `seen`, or until `deadline`.
    ///
    /// # Errors
    /// When the state cannot be read, which only keys, sessions and absent services need.
    pub async fn watch(
        &self,
        key: &WatchKey,
        seen: Revision,
        deadline: Instant,
    ) -> Result<Wake, RegistryError> {
        let topic = key.topic();
        let hub = self.inner.store.hub();
        hub.wait(&topic, seen, deadline, || self.index(key)).await
    }

    /// A place among those who wait for `key`, to be taken before the first look, by whoever waits for one
    /// change after the other.
    pub(crate) fn subscribe(&self, key: &WatchKey) -> Subscription {
        self.inner.store.hub().subscribe(key.topic(), Revision(0))
    }
}
