//! The one thread that writes: many changes, one commit.

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{
    Committed, Options, Reader, Shared, Tx, WriteError, Writing, meta, reap,
    tx::{Hooks, Staged},
};
use crate::{
    EngineError, Revision, Table,
    engine::View,
    rows::split,
    snapshot::{self, SnapshotError},
};

/// No commit carries more than about this much.
const COMMIT_BYTES: usize = 4 << 20;

/// What runs when a snapshot was restored.
pub(super) type RestoreHook = Box<dyn FnOnce(&Reader, Revision) + Send>;

pub(super) enum Message {
    /// A change, the bytes it carries, and its share of the queue.
    Change(Box<dyn Job>, usize, OwnedSemaphorePermit),
    Restore {
        snapshot: Box<dyn Read + Send>,
        folder: PathBuf,
        hook: RestoreHook,
        reply: oneshot::Sender<Result<Revision, SnapshotError>>,
    },
}

/// A change without its types.
pub(super) trait Job: Send {
    /// Runs the change. Returns whether what it staged is to be kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;

    /// Acknowledges it.
    fn reply(self: Box<Self>, outcome: Result<(Revision, bool), WriteError>);
}

pub(super) struct Change<F, T, E> {
    change: Option<F>,
    outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<Committed<T>, E>>,
}

impl<F, T, E> Change<F, T, E> {
    pub(super) fn new(change: F, reply: oneshot::Sender<Result<Committed<T>, E>>) -> Self {
        Self {
            change: Some(change),
            outcome: None,
            reply,
        }
    }
}

impl<F, T, E> Job for Change<F, T, E>
where
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: Writing,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        self.outcome = self.change.take().map(|change| change(tx));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn reply(self: Box<Self>, outcome: Result<(Revision, bool), WriteError>) {
        let answer = match (outcome, self.outcome) {
            (Ok((revision, changed)), Some(Ok(value))) => Ok(Committed {
                value,
                revision,
                changed,
            }),
            (Ok(_), Some(Err(error))) => Err(error),
            (Ok(_), None) => Err(E::from(WriteError::Closed)),
            (Err(error), _) => Err(E::from(error)),
        };
        // The caller may have gone; the change stays.
        drop(self.reply.send(answer));
    }
}

/// A change that ran and waits for its commit.
struct Done {
    job: Box<dyn Job>,
    revision: Revision,
    hooks: Hooks,
    changed: bool,
    share: OwnedSemaphorePermit,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    revision: Revision,
    /// How many tombstones there are.
    graves: usize,
    group: usize,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        revision: Revision,
        graves: usize,
        options: &Options,
    ) -> Self {
        Self {
            shared,
            revision,
            graves,
            group: options.group.max(1),
        }
    }

    /// Writes until the store is dropped and the queue is empty.
    ///
    /// Whatever came while the last commit was under way makes up the next one. Waiting for more would
    /// only delay: under load the queue is never empty, and without load there is nobody to wait for.
    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut next = messages.blocking_recv();
        while let Some(message) = next.take() {
            match message {
                Message::Change(job, bytes, share) => {
                    next = self.commit_group((job, bytes, share), &mut messages);
                }
                Message::Restore {
                    snapshot,
                    folder,
                    hook,
                    reply,
                } => {
                    // The caller may have gone; the snapshot stays restored.
                    drop(reply.send(self.restore(snapshot, &folder, hook)));
                }
            }
            next = next.or_else(|| messages.blocking_recv());
        }
    }

    /// Commits `first` with all changes that wait behind it. Returns the message that ended the group, if
    /// it is not a change.
    fn commit_group(
        &mut self,
        first: (Box<dyn Job>, usize, OwnedSemaphorePermit),
        messages: &mut mpsc::Receiver<Message>,
    ) -> Option<Message> {
        let (mut bytes, mut left) = (0, None);
        let mut jobs = vec![];
        let mut message = Some(Message::Change(first.0, first.1, first.2));
        while let Some(taken) = message.take() {
            match taken {
                Message::Change(job, size, share) => {
                    bytes += size;
                    jobs.push((job, share));
                }
                other => {
                    left = Some(other);
                    break;
                }
            }
            if jobs.len() < self.group && bytes < COMMIT_BYTES {
                message = messages.try_recv().ok();
            }
        }
        match self.shared.engine.view() {
            Ok(view) => self.commit(view.as_ref(), jobs),
            Err(error) => refuse(jobs, &WriteError::from(error)),
        }
        left
    }

    fn commit(&mut self, view: &dyn View, jobs: Vec<(Box<dyn Job>, OwnedSemaphorePermit)>) {
        let mut staged = Staged::new();
        let mut revision = self.revision;
        let mut done = Vec::with_capacity(jobs.len());
        for (mut job, share) in jobs {
            let mut tx = Tx::new(view, &staged, revision.next(), &self.shared.live);
            let keep = job.run(&mut tx);
            let (rows, mut hooks) = tx.finish();
            if !keep {
                std::mem::take(&mut hooks).aborted();
            }
            let changed = keep && !rows.is_empty();
            if changed {
                revision = revision.next();
                staged.extend(rows);
            }
            done.push(Done {
                job,
                revision,
                hooks,
                changed,
                share,
            });
        }
        match self.write(view, &mut staged, revision) {
            Ok(()) => self.publish(&staged, revision, done),
            Err(error) => take_back(done, &WriteError::from(error)),
        }
    }

    /// Writes the staged rows and those about the store itself.
    fn write(
        &mut self,
        view: &dyn View,
        staged: &mut Staged,
        revision: Revision,
    ) -> Result<(), EngineError> {
        if staged.is_empty() {
            return Ok(());
        }
        let graves = self.count_graves(view, staged, revision)?;
        staged.extend([meta::revision_row(revision)]);
        let began = Instant::now();
        let mut rows = staged
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()));
        let outcome = self.shared.engine.commit(&mut rows);
        let counters = &self.shared.counters;
        let spent = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        counters.commit_ns.fetch_add(spent, Ordering::Relaxed);
        match &outcome {
            Ok(()) => {
                counters.commits.fetch_add(1, Ordering::Relaxed);
                let changes = revision.0 - self.revision.0;
                counters.changes.fetch_add(changes, Ordering::Relaxed);
                self.revision = revision;
                self.graves = graves;
            }
            Err(_) => {
                counters.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        outcome
    }

    /// How many tombstones there will be; when that is too many, stages the removal of the oldest.
    fn count_graves(
        &self,
        view: &dyn View,
        staged: &mut Staged,
        revision: Revision,
    ) -> Result<usize, EngineError> {
        let table = Table::GRAVES.key(&[]);
        let new = staged.keys().filter(|key| key.starts_with(&table)).count();
        let count = self.graves + new;
        if count <= reap::MOST {
            return Ok(count);
        }
        reap::reap(view, staged, revision, count)
    }

    /// Makes a commit visible: memory first, then those who wait, then those who asked for it.
    fn publish(&self, staged: &Staged, revision: Revision, mut done: Vec<Done>) {
        for done in &mut done {
            std::mem::take(&mut done.hooks).committed(done.revision);
        }
        self.shared.set_revision(revision);
        let changes = staged.iter().map(|(key, value)| {
            let stamp = value.as_deref().and_then(|value| split(value).ok());
            (key.as_slice(), stamp.map_or(revision, |(stamp, _)| stamp))
        });
        self.shared.hub.publish(changes);
        for done in done {
            done.job.reply(Ok((done.revision, done.changed)));
        }
    }

    fn restore(
        &mut self,
        snapshot: Box<dyn Read + Send>,
        folder: &Path,
        hook: RestoreHook,
    ) -> Result<Revision, SnapshotError> {
        let verified = snapshot::Verified::spool(snapshot, folder)?;
        let revision = self.revision.max(verified.revision()).next();
        verified.load(self.shared.engine.as_ref(), revision)?;
        self.revision = revision;
        let reader = Reader::new(self.shared.engine.view()?);
        self.graves = super::open::count_graves(&reader)?;
        self.shared.live.reload(&reader, Instant::now())?;
        hook(&reader, revision);
        self.shared.set_revision(revision);
        self.shared.hub.publish_all(revision);
        Ok(revision)
    }
}

/// Undoes changes whose commit failed, the last one first, and says so.
fn take_back(mut done: Vec<Done>, error: &WriteError) {
    for done in done.iter_mut().rev() {
        std::mem::take(&mut done.hooks).aborted();
    }
    refuse(
        done.into_iter()
            .map(|done| (done.job, done.share))
            .collect(),
        error,
    );
}

/// Tells all of them that nothing was written.
fn refuse(jobs: Vec<(Box<dyn Job>, OwnedSemaphorePermit)>, error: &WriteError) {
    for (job, _share) in jobs {
        job.reply(Err(error.clone()));
    }
}
