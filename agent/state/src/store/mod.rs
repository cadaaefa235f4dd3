//! The store: open, change, read, wait.

mod error;
mod live;
mod meta;
mod open;
mod reader;
mod reap;
mod tx;
mod writer;

use std::{
    io::{Read, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Instant, SystemTime},
};

use tokio::sync::{Semaphore, mpsc, oneshot};

use self::live::Live;
use self::writer::{Change, Message, Writer};
use crate::{
    EngineError, Hub, Revision, Table, Topic, Wake,
    engine::Engine,
    snapshot::{self, SnapshotError, Summary},
    tokens::Bearer,
};

pub use error::{OpenError, Recovery, WriteError};
pub(crate) use open::restored_rows;
pub use open::{Opened, Options};
pub use reader::Reader;
pub use tx::Tx;

/// How much may wait for the writer, in KiB. A change counts for at least one.
const QUEUE_KIB: usize = 16 * 1024;

/// A change that was acknowledged: it is on disk and visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the change returned.
    pub value: T,
    /// Its own revision when it wrote something, else that of the change before it.
    pub revision: Revision,
    /// Whether it wrote something.
    pub changed: bool,
}

/// What a store did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Commits: transactions with one fsync each.
    pub commits: u64,
    /// Changes that wrote something.
    pub changes: u64,
    /// Commits that failed; their changes were refused.
    pub failures: u64,
    /// Time spent in commits, ns.
    pub commit_ns: u64,
    /// Callers that wait for a topic now.
    pub waiting: u64,
}

/// The node's durable state.
pub struct Store {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Message>,
    budget: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
    folder: PathBuf,
    snapshots_kept: usize,
}

/// What the store and its writer share.
pub(crate) struct Shared {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) hub: Hub,
    pub(crate) live: Arc<Live>,
    /// Revision of the newest visible change.
    revision: AtomicU64,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    commits: AtomicU64,
    changes: AtomicU64,
    failures: AtomicU64,
    commit_ns: AtomicU64,
}

/// What [`Store::write`] wants to know of the error type of a change.
pub trait Writing: From<WriteError> + Send + 'static {}

impl<E: From<WriteError> + Send + 'static> Writing for E {}

impl Store {
    /// Runs `change` on the writer's thread, after all changes that were handed in before. Returns when
    /// it is on disk and visible. When it returns an error, nothing of it remains.
    ///
    /// # Errors
    /// Those of `change`; a [`WriteError`] when the commit failed, in which case nothing of it remains
    /// either.
    pub async fn write<T, E>(
        &self,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: Writing,
    {
        self.write_large(0, change).await
    }

    /// As [`write`](Self::write), for a change that carries about this many `bytes`: what waits for the
    /// disk is bounded by bytes.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_large<T, E>(
        &self,
        bytes: usize,
        change: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Committed<T>, E>
    where
        T: Send + 'static,
        E: Writing,
    {
        let kib = (bytes / 1024 + 1).min(QUEUE_KIB);
        let units = u32::try_from(kib).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget)
            .acquire_many_owned(units)
            .await
            .map_err(|_closed| WriteError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let message = Message::Change(Box::new(Change::new(change, reply)), bytes, permit);
        let sent = self.queue.send(message).await;
        sent.map_err(|_closed| WriteError::Closed)?;
        answer.await.map_err(|_closed| WriteError::Closed)?
    }

    /// The state of the last commit, whatever is committed later.
    ///
    /// # Errors
    /// When the engine cannot read.
    pub fn read(&self) -> Result<Reader, EngineError> {
        Ok(Reader::new(self.shared.engine.view()?))
    }

    /// Revision of the newest visible change.
    pub fn revision(&self) -> Revision {
        self.shared.revision()
    }

    /// Waits until the index of `topic` exceeds `seen`, or until `deadline`.
    ///
    /// # Errors
    /// When the engine cannot read.
    pub async fn wait(
        &self,
        topic: &Topic,
        seen: Revision,
        deadline: Instant,
    ) -> Result<Wake, EngineError> {
        let hub = &self.shared.hub;
        hub.wait(topic, seen, deadline, || topic.index(&self.read()?))
            .await
    }

    /// Wakes those who wait for the row `key` of `table`: what it stands for has come into memory, at
    /// `revision`, without being written again.
    pub fn announce(&self, table: Table, key: &[u8], revision: Revision) {
        let full = table.key(key);
        self.shared.hub.publish([(&*full, revision)].into_iter());
    }

    /// Where one can wait with an index of one's own.
    pub fn hub(&self) -> &Hub {
        &self.shared.hub
    }

    /// Destroys the sessions whose TTL ran out by `now`. To be called a few times a second. Returns how
    /// many there were.
    ///
    /// # Errors
    /// When a commit failed; the sessions are tried again with the next call.
    pub async fn expire_sessions(&self, now: Instant) -> Result<usize, WriteError> {
        let expired = self.shared.live.timers().expired(now);
        let count = expired.len();
        for session in expired {
            let destroyed = self.write(move |tx| {
                crate::sessions::invalidate(tx, &session)?;
                Ok::<_, WriteError>(())
            });
            destroyed.await?;
        }
        Ok(count)
    }

    /// Gives a session another TTL. Nothing is written. Returns whether there is such a session with a TTL.
    pub fn renew_session(&self, id: &str, now: Instant) -> bool {
        self.shared.live.timers().renew(id, now)
    }

    /// Who shows the secret of a token that is good at `now`. Asks memory alone.
    pub fn authenticate(&self, secret: &str, now: SystemTime) -> Option<Bearer> {
        self.shared.live.keyring.bearer(secret, now)
    }

    /// Writes a snapshot of the newest state; changes go on meanwhile.
    ///
    /// # Errors
    /// When the engine cannot read or `out` cannot be written.
    pub fn snapshot(&self, out: &mut dyn Write) -> Result<Summary, SnapshotError> {
        snapshot::write(&self.read()?, out)
    }

    /// Writes a snapshot beside the file and removes the oldest of such beyond the number to keep.
    ///
    /// # Errors
    /// When the engine cannot read or the file cannot be written.
    pub fn keep_snapshot(&self) -> Result<PathBuf, SnapshotError> {
        snapshot::keep(&self.read()?, &self.folder, self.snapshots_kept)
    }

    /// Replaces the whole state by a snapshot, which is read and verified to its end before anything
    /// changes. The revision becomes greater than both the present one and the snapshot's, all indexes
    /// rise to it, and everybody who waits is woken.
    ///
    /// # Errors
    /// When the snapshot is damaged or of another format, or the commit failed; nothing was changed.
    pub async fn restore(
        &self,
        snapshot: impl Read + Send + 'static,
    ) -> Result<Revision, SnapshotError> {
        self.restore_then(snapshot, |_, _| {}).await
    }

    /// As [`restore`](Self::restore); `hook` sees the restored state before anybody is woken.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    pub async fn restore_then(
        &self,
        snapshot: impl Read + Send + 'static,
        hook: impl FnOnce(&Reader, Revision) + Send + 'static,
    ) -> Result<Revision, SnapshotError> {
        let (reply, answer) = oneshot::channel();
        let message = Message::Restore {
            snapshot: Box::new(snapshot),
            folder: self.folder.clone(),
            hook: Box::new(hook),
            reply,
        };
        let sent = self.queue.send(message).await;
        sent.map_err(|_closed| WriteError::Closed)?;
        answer.await.map_err(|_closed| WriteError::Closed)?
    }

    /// What the store did since it was opened.
    pub fn statistics(&self) -> Statistics {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            commits: read(&counters.commits),
            changes: read(&counters.changes),
            failures: read(&counters.failures),
            commit_ns: read(&counters.commit_ns),
            waiting: self.shared.hub.waiting() as u64,
        }
    }

    /// Starts the threads of a store whose engine was opened.
    fn start(
        engine: Box<dyn Engine>,
        revision: Revision,
        graves: usize,
        options: &Options,
        folder: PathBuf,
    ) -> Result<Self, OpenError> {
        let hub = Hub::start().map_err(OpenError::Thread)?;
        let live = Live::load(&Reader::new(engine.view()?), Instant::now())?;
        let shared = Arc::new(Shared {
            engine,
            hub,
            live: Arc::new(live),
            revision: AtomicU64::new(revision.0),
            counters: Counters::default(),
        });
        let (queue, messages) = mpsc::channel(QUEUE_KIB);
        let writer = Writer::new(Arc::clone(&shared), revision, graves, options);
        let thread = thread::Builder::new()
            .name("state-writer".to_owned())
            .spawn(move || writer.run(messages))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            shared,
            queue,
            budget: Arc::new(Semaphore::new(QUEUE_KIB)),
            thread: Some(thread),
            folder,
            snapshots_kept: options.snapshots_kept,
        })
    }
}

impl Drop for Store {
    /// Waits until everything handed in is on disk.
    fn drop(&mut self) {
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.queue, closed));
        let Some(thread) = self.thread.take() else {
            return;
        };
        // The last owner may be a hook of a change, on the writer's own thread.
        if thread.thread().id() != thread::current().id() {
            // A panic of the thread was reported by its own hook.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    fn set_revision(&self, revision: Revision) {
        self.revision.store(revision.0, Ordering::Release);
    }
}
