//! What watches documents, from the outside.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use state::{EngineError, Store};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    CommandError, Definition,
    command::{Command, Order},
    run::Run,
};
use crate::{
    Decrypt, DocumentId, Documents, Events, Happened, Mask, NoMask, SourceId, Stage,
    history::{self, Generation},
};

/// Orders that wait for a document's task.
const WAITING: usize = 16;

/// What the pipeline asks of others.
#[derive(Clone)]
pub struct Hooks {
    /// Opens sealed values; without it they stay as they are.
    pub decrypt: Option<Arc<dyn Decrypt>>,
    /// Hides secrets.
    pub mask: Arc<dyn Mask>,
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            decrypt: None,
            mask: Arc::new(NoMask),
        }
    }
}

/// Watches documents.
#[derive(Clone)]
pub struct Watcher {
    pub(super) shared: Arc<Shared>,
}

/// What all documents' tasks share.
pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) documents: Arc<Documents>,
    pub(super) events: Arc<Events>,
    pub(super) hooks: Hooks,
    status: Mutex<BTreeMap<DocumentId, Status>>,
}

/// How a document is doing: for metrics and status pages.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The generation in force.
    pub generation: Option<u64>,
    /// The last generation that worked well.
    pub good: Option<u64>,
    /// The generation it is pinned to.
    pub pin: Option<u64>,
    /// Whether the last change was taken.
    pub last_change_ok: bool,
    /// Changes that were taken, since the start.
    pub applied: u64,
    /// Changes that were refused, since the start, by stage in the order of [`Stage::ALL`].
    pub refused: [u64; Stage::ALL.len()],
    /// How often a source handed over content that was refused before, since the start.
    pub not_tried_again: u64,
    /// Sources that are gone or cannot be read, and since when.
    pub lost: Vec<(SourceId, Instant)>,
}

/// A document that is being watched. Its task ends when this is dropped.
pub struct Handle {
    id: DocumentId,
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Watches nothing yet.
    #[must_use]
    pub fn new(store: Arc<Store>, hooks: Hooks) -> Self {
        let documents = Arc::new(Documents::new(Arc::clone(&store)));
        Self {
            shared: Arc::new(Shared {
                store,
                documents,
                events: Arc::default(),
                hooks,
                status: Mutex::default(),
            }),
        }
    }

    /// The published documents.
    #[must_use]
    pub fn documents(&self) -> &Arc<Documents> {
        &self.shared.documents
    }

    /// What happened.
    #[must_use]
    pub fn events(&self) -> &Arc<Events> {
        &self.shared.events
    }

    /// How every document is doing.
    #[must_use]
    pub fn status(&self) -> BTreeMap<DocumentId, Status> {
        self.shared.lock().clone()
    }

    /// The generations that are kept of a document, watched or not, oldest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn history(&self, id: &DocumentId) -> Result<Vec<Generation>, EngineError> {
        history::generations(&self.shared.store.read()?, id)
    }

    /// Watches a document. Returns when its sources were read for the first time and a generation is in
    /// force, or it was told as an event why there is none.
    pub async fn watch(&self, definition: Definition) -> Handle {
        let (orders, inbox) = mpsc::channel(WAITING);
        let (started, ready) = oneshot::channel();
        let id = definition.id.clone();
        let shared = Arc::clone(&self.shared);
        let run = Run::new(Arc::clone(&shared), definition);
        let task = tokio::spawn(run.run(inbox, started));
        // When the task ended instead, its panic was reported.
        drop(ready.await);
        Handle {
            id,
            shared,
            orders,
            task,
        }
    }
}

impl Handle {
    /// Which document it is.
    #[must_use]
    pub fn id(&self) -> &DocumentId {
        &self.id
    }

    /// Goes back to generation `to`: a new generation with its content, and a pin, so that the sources do
    /// not undo it. Returns the new generation's number.
    ///
    /// # Errors
    /// When that generation is not kept or no longer valid, or the state cannot be written.
    pub async fn rollback(&self, to: u64, actor: &str, reason: &str) -> Result<u64, CommandError> {
        self.order(Command::Rollback(to), actor, reason).await
    }

    /// Takes the pin away and follows the sources again. Returns the generation in force afterwards.
    ///
    /// # Errors
    /// When the document is not pinned, or the state cannot be written.
    pub async fn unpin(&self, actor: &str, reason: &str) -> Result<u64, CommandError> {
        self.order(Command::Unpin, actor, reason).await
    }

    /// The generations that are kept, oldest first.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn history(&self) -> Result<Vec<Generation>, EngineError> {
        history::generations(&self.shared.store.read()?, &self.id)
    }

    /// Stops watching and waits until that is done. What is published stays readable.
    pub async fn close(mut self) {
        // Without orders to wait for, the task ends by itself.
        self.orders = mpsc::channel(1).0;
        // When it ended otherwise, its panic was reported.
        drop((&mut self.task).await);
    }

    async fn order(&self, what: Command, actor: &str, reason: &str) -> Result<u64, CommandError> {
        let (reply, answer) = oneshot::channel();
        let order = Order {
            what,
            actor: actor.to_owned(),
            reason: reason.to_owned(),
            reply,
        };
        let sent = self.orders.send(order).await;
        sent.map_err(|_closed| CommandError::Closed)?;
        answer.await.map_err(|_closed| CommandError::Closed)?
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Tells what happened: as an event and in the log.
    pub(super) fn tell(&self, id: &DocumentId, what: Happened) {
        match &what {
            Happened::Rejected {
                stage, problems, ..
            } => {
                let mistakes = problems.len();
                let first = problems.first().map(ToString::to_string);
                let first = first.unwrap_or_default();
                let stage = stage.as_str();
                tracing::error!(document = %id, stage, mistakes, first, "configuration refused, the running one stays");
            }
            Happened::TakenBack { reason, .. } => {
                tracing::error!(document = %id, %reason, "configuration taken back");
            }
            Happened::StartedFromLastKnownGood { generation } => {
                tracing::error!(document = %id, generation, "started from the last known good configuration");
            }
            Happened::SourceLost { source, reason } => {
                tracing::warn!(document = %id, %source, %reason, "configuration source lost, what it said stays");
            }
            Happened::Applied { generation } => {
                tracing::info!(document = %id, generation, "configuration applied");
            }
            other => tracing::info!(document = %id, ?other, "configuration"),
        }
        self.events.note(id, what);
    }

    /// Changes what is known of how a document is doing.
    pub(super) fn note(&self, id: &DocumentId, change: impl FnOnce(&mut Status)) {
        change(self.lock().entry(id.clone()).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<DocumentId, Status>> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watcher")
            .field(&self.shared.documents)
            .finish()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.id).finish()
    }
}
