//! The published documents: what readers see.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use state::{Revision, Store, Topic, Wake};

use crate::{Content, SourceId, Value, history};

/// Name of a document. The namespace is what roles are about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentId {
    namespace: String,
    name: String,
}

/// A text that is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name of a namespace or document: 1 to 200 bytes, no `/`, no control characters, not `.` or `..`"
)]
pub struct BadId(pub String);

impl DocumentId {
    /// The document `name` of `namespace`.
    ///
    /// # Errors
    /// When one of them is empty, longer than 200 bytes, `.` or `..`, or has a `/` or a control character.
    pub fn new(namespace: &str, name: &str) -> Result<Self, BadId> {
        for part in [namespace, name] {
            let fits = (1..=200).contains(&part.len()) && !matches!(part, "." | "..");
            if !fits || part.contains(|c: char| c == '/' || c.is_control()) {
                return Err(BadId(part.to_owned()));
            }
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The name of a document that is looked at here and now, and served to nobody.
    #[must_use]
    pub fn local() -> Self {
        Self {
            namespace: "local".to_owned(),
            name: "document".to_owned(),
        }
    }

    /// The name of the settings of the program that watches.
    #[must_use]
    pub fn own() -> Self {
        Self {
            namespace: "golens".to_owned(),
            name: "settings".to_owned(),
        }
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name within the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A generation of a document: never changed once it is published.
#[derive(Clone, Debug)]
pub struct Published {
    /// The document.
    pub id: DocumentId,
    /// Number of the generation, from 1.
    pub generation: u64,
    /// Revision of the node's state at which it was published; what watchers compare.
    pub revision: Revision,
    /// The merged document.
    pub value: Arc<Value>,
    /// What it was made of, lowest precedence first.
    pub layers: Arc<[(SourceId, Content)]>,
}

type ById = BTreeMap<DocumentId, Arc<Published>>;

/// All published documents. Reading one never waits; whoever reads two fields of it reads one generation.
///
/// The index of a document, or of several, is the greatest revision that was published of them; before the
/// first it is [`Revision::FIRST`]. A generation is readable before its index is, and before anybody is woken.
pub struct Documents {
    store: Arc<Store>,
    current: ArcSwap<ById>,
    writing: Mutex<()>,
}

impl Documents {
    /// No documents yet. Revisions and waits are those of `store`.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            current: ArcSwap::default(),
            writing: Mutex::default(),
        }
    }

    /// The generation of `id` that is in force.
    #[must_use]
    pub fn get(&self, id: &DocumentId) -> Option<Arc<Published>> {
        self.current.load().get(id).cloned()
    }

    /// The documents of a namespace, all of one moment.
    #[must_use]
    pub fn list(&self, namespace: &str) -> Vec<Arc<Published>> {
        self.below(&format!("{namespace}/"))
    }

    /// The documents whose `namespace/name` begins with `prefix`, all of one moment.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Vec<Arc<Published>> {
        let current = self.current.load();
        let begins = |it: &&Arc<Published>| it.id.to_string().starts_with(prefix);
        current.values().filter(begins).cloned().collect()
    }

    /// All documents, of one moment.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Published>> {
        self.current.load().values().cloned().collect()
    }

    /// Waits until the index of `id` exceeds `seen`, or until `deadline`.
    pub async fn wait(&self, id: &DocumentId, seen: Revision, deadline: Instant) -> Wake {
        let topic = Topic::row(history::SERVED, &history::key(id));
        self.wait_for(&topic, seen, deadline, || self.index(id))
            .await
    }

    /// As [`wait`](Self::wait), for any document of a namespace.
    pub async fn wait_namespace(&self, namespace: &str, seen: Revision, deadline: Instant) -> Wake {
        self.wait_below(&format!("{namespace}/"), seen, deadline)
            .await
    }

    /// As [`wait`](Self::wait), for any document whose `namespace/name` begins with `prefix`.
    pub async fn wait_below(&self, prefix: &str, seen: Revision, deadline: Instant) -> Wake {
        let topic = Topic::prefix(history::SERVED, prefix.as_bytes());
        self.wait_for(&topic, seen, deadline, || self.index_below(prefix))
            .await
    }

    /// Index of `id`, published or not: what a blocking query answers with.
    #[must_use]
    pub fn index(&self, id: &DocumentId) -> Revision {
        self.get(id).map_or(Revision::FIRST, |it| it.revision)
    }

    /// Index of all documents whose `namespace/name` begins with `prefix`.
    #[must_use]
    pub fn index_below(&self, prefix: &str) -> Revision {
        let revisions = self.below(prefix).into_iter().map(|it| it.revision);
        revisions.max().unwrap_or(Revision::FIRST)
    }

    /// The index is the one in memory: that on disk moves before the generation is readable.
    async fn wait_for(
        &self,
        topic: &Topic,
        seen: Revision,
        deadline: Instant,
        index: impl FnOnce() -> Revision,
    ) -> Wake {
        let current = || Ok::<_, Infallible>(index());
        let Ok(wake) = self.store.hub().wait(topic, seen, deadline, current).await;
        wake
    }

    /// Puts a generation in force. Called when its commit is on disk, before anybody is woken.
    pub(crate) fn publish(&self, next: Arc<Published>) {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = ById::clone(&self.current.load());
        all.insert(next.id.clone(), next);
        self.current.store(Arc::new(all));
    }

    /// Puts a generation in force again that was on disk already, and wakes who waits for it.
    pub(crate) fn restore(&self, kept: Arc<Published>) {
        let (key, revision) = (history::key(&kept.id), kept.revision);
        self.publish(kept);
        self.store.announce(history::SERVED, &key, revision);
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.current.load();
        f.debug_list().entries(current.keys()).finish()
    }
}
