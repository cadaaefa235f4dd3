//! What the server answers from.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use state::{EngineError, Revision, Rows, Store, Table, WriteError};
use tokio::sync::watch;

use super::{DEFAULT_CLUSTER, Key, Release, release::Stored};
use crate::Published;

/// Releases on disk, by `app+cluster+namespace`.
const RELEASES: Table = Table::foreign(24);

/// Why a release was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoardError {
    /// It has secrets in it, which are not to be on disk.
    #[error("the release {0} has opened secrets in it")]
    Secret(Key),
    /// It cannot be encoded.
    #[error("the release {0} cannot be encoded")]
    Encode(Key, #[source] serde_json::Error),
    /// The node's state cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A release on the board.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    pub(super) release: Arc<Release>,
    /// What clients compare: the revision of the node's state at which it was published.
    pub(super) notification: Revision,
}

/// All releases of one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Releases {
    by_key: BTreeMap<Key, Posted>,
    /// Application that owns a public namespace.
    public: HashMap<String, String>,
}

/// All releases, and who waits for which.
pub struct Board {
    store: Arc<Store>,
    releases: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    current: ArcSwap<Releases>,
    writing: Mutex<()>,
    waiting: Mutex<HashMap<Key, watch::Sender<Revision>>>,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.releases.current.load();
        f.debug_list().entries(current.by_key.keys()).finish()
    }
}

impl Board {
    /// Reads the releases on disk.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn open(store: Arc<Store>) -> Result<Self, EngineError> {
        let mut releases = Releases::default();
        let mut failed = None;
        store.read()?.scan(
            RELEASES,
            &[],
            &mut |_, revision, row| match serde_json::from_slice::<Stored>(row) {
                Ok(stored) => {
                    let (key, release) = stored.into();
                    releases.post(key, Arc::new(release), revision);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(EngineError::Corrupt {
                        reason: format!("a release: {error}"),
                    });
                    ControlFlow::Break(())
                }
            },
        )?;
        let board = Self {
            store,
            releases: Arc::default(),
        };
        board.releases.current.store(Arc::new(releases));
        failed.map_or(Ok(board), Err)
    }

    /// Publishes a release and writes it to disk. It is readable before anybody hears of it. One with the
    /// key and the rules of the present one changes nothing.
    ///
    /// # Errors
    /// When it has opened secrets in it, or cannot be written.
    pub async fn publish(&self, key: Key, release: Release) -> Result<(), BoardError> {
        if self
            .posted(&key)
            .is_some_and(|posted| *posted.release == release)
        {
            return Ok(());
        }
        let stored = release.stored(&key);
        let stored = stored.ok_or_else(|| BoardError::Secret(key.clone()))?;
        let row = serde_json::to_vec(&stored);
        let row = row.map_err(|error| BoardError::Encode(key.clone(), error))?;
        let shared = Arc::clone(&self.releases);
        let release = Arc::new(release);
        let written = self.store.write_large(row.len(), move |tx| {
            tx.put(RELEASES, key.to_string().as_bytes(), &row);
            tx.on_commit(move |revision| shared.post(key, release, revision));
            Ok::<_, WriteError>(())
        });
        written.await?;
        Ok(())
    }

    /// Shows a published document as a release. It stays in memory: the document itself is on disk.
    pub fn show(&self, key: Key, document: &Published) {
        let release = Release::of_document(document, key.namespace());
        self.show_release(key, Arc::new(release), document.revision);
    }

    /// Shows a release that stays in memory. `revision` is what clients compare: that of the node's state at
    /// which it was made, so a later one than that of the release before.
    pub fn show_release(&self, key: Key, release: Arc<Release>, revision: Revision) {
        self.releases.post(key, release, revision);
    }

    /// Takes a release off the board and the disk; clients find nothing there.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn withdraw(&self, key: Key) -> Result<(), BoardError> {
        let shared = Arc::clone(&self.releases);
        let written = self.store.write(move |tx| {
            tx.delete(RELEASES, key.to_string().as_bytes())?;
            tx.on_commit(move |revision| shared.withdraw(&key, revision));
            Ok::<_, WriteError>(())
        });
        written.await?;
        Ok(())
    }

    /// All releases of one moment.
    pub(super) fn releases(&self) -> Arc<Releases> {
        self.releases.current.load_full()
    }

    /// Hears of every later change of `key`.
    pub(super) fn subscribe(&self, key: &Key) -> watch::Receiver<Revision> {
        let mut waiting = lock(&self.releases.waiting);
        let sender = waiting.entry(key.clone());
        sender
            .or_insert_with(|| watch::Sender::new(Revision(0)))
            .subscribe()
    }

    /// Forgets what nobody waits for any more.
    pub(super) fn forget_unheard(&self, keys: &[Key]) {
        let mut waiting = lock(&self.releases.waiting);
        for key in keys {
            if waiting.get(key).is_some_and(watch::Sender::is_closed) {
                waiting.remove(key);
            }
        }
    }

    /// Names that somebody waits for.
    #[must_use]
    pub fn awaited(&self) -> usize {
        lock(&self.releases.waiting).len()
    }

    fn posted(&self, key: &Key) -> Option<Posted> {
        self.releases.current.load().by_key.get(key).cloned()
    }
}

impl Shared {
    fn post(&self, key: Key, release: Arc<Release>, revision: Revision) {
        self.change(&key.clone(), revision, |releases| {
            releases.post(key, release, revision)
        });
    }

    fn withdraw(&self, key: &Key, revision: Revision) {
        self.change(key, revision, |releases| {
            releases.by_key.remove(key);
        });
    }

    /// Changes what is served, then wakes.
    fn change(&self, key: &Key, revision: Revision, change: impl FnOnce(&mut Releases)) {
        let one_at_a_time = lock(&self.writing);
        let mut releases = Releases::clone(&self.current.load());
        change(&mut releases);
        self.current.store(Arc::new(releases));
        drop(one_at_a_time);
        if let Some(sender) = lock(&self.waiting).get(key) {
            sender.send_replace(revision);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Releases {
    fn post(&mut self, key: Key, release: Arc<Release>, notification: Revision) {
        if release.is_public {
            let owner = key.app().to_owned();
            self.public.insert(key.namespace().to_owned(), owner);
        }
        self.by_key.insert(
            key,
            Posted {
                release,
                notification,
            },
        );
    }

    /// The release that a client of these clusters gets, and where it was found.
    pub(super) fn find(&self, keys: &[Key]) -> Option<(Key, &Posted)> {
        let found = |key: &Key| Some((key.clone(), self.by_key.get(key)?));
        keys.iter().find_map(found)
    }

    /// Application, other than `app`, whose public namespace this is.
    pub(super) fn owner(&self, app: &str, namespace: &str) -> Option<&str> {
        let owner = self.public.get(namespace)?;
        (owner != app).then_some(owner)
    }

    /// The revisions of those of `keys` that are there.
    pub(super) fn notifications<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> impl Iterator<Item = (&'a Key, Revision)> {
        let posted = |key: &'a Key| Some((key, self.by_key.get(key)?.notification));
        keys.iter().filter_map(posted)
    }
}

/// Where a client looks, in this order: its cluster, its data centre, the default.
pub(super) fn places(app: &str, cluster: &str, data_center: &str, namespace: &str) -> Vec<Key> {
    let named = [cluster, data_center];
    let named = named
        .into_iter()
        .filter(|name| !name.is_empty() && *name != DEFAULT_CLUSTER);
    let mut clusters: Vec<&str> = named.collect();
    clusters.dedup();
    // The default is looked at last, whoever names it.
    clusters.push(DEFAULT_CLUSTER);
    clusters
        .into_iter()
        .filter_map(|cluster| Key::new(app, cluster, namespace))
        .collect()
}
