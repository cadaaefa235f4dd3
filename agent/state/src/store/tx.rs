//! A change under way.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::Arc,
};

use crate::{
    EngineError, Revision,
    engine::View,
    rows::{Record, Rows, Table, Visit, past, split},
    sessions::Timers,
    store::live::Live,
};

/// Rows by the engine's key; `None` is deleted.
pub(super) type Staged = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What runs once the change is on disk, before it is acknowledged.
type Hook = Box<dyn FnOnce(Revision) + Send>;

/// What runs when it is known what became of the change.
#[derive(Default)]
pub(super) struct Hooks {
    commit: Vec<Hook>,
    abort: Vec<Box<dyn FnOnce() + Send>>,
}

impl Hooks {
    /// The change is on disk.
    pub(super) fn committed(self, revision: Revision) {
        for hook in self.commit {
            hook(revision);
        }
    }

    /// Nothing of the change remains: undone in reverse order.
    pub(super) fn aborted(self) {
        for hook in self.abort.into_iter().rev() {
            hook();
        }
    }
}

/// A change under way: sees all earlier changes and its own, and is dropped whole when it fails.
pub struct Tx<'a> {
    view: &'a dyn View,
    /// What earlier changes of the same commit wrote.
    earlier: &'a Staged,
    staged: Staged,
    revision: Revision,
    hooks: Hooks,
    live: &'a Arc<Live>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        view: &'a dyn View,
        earlier: &'a Staged,
        revision: Revision,
        live: &'a Arc<Live>,
    ) -> Self {
        Self {
            view,
            earlier,
            staged: Staged::new(),
            revision,
            hooks: Hooks::default(),
            live,
        }
    }

    /// Changes what is kept in memory once the change is on disk.
    pub(crate) fn on_commit_live(&mut self, work: impl FnOnce(&Live) + Send + 'static) {
        let live = Arc::clone(self.live);
        self.on_commit(move |_| work(&live));
    }

    /// Changes the deadlines of sessions once the change is on disk.
    pub(crate) fn on_commit_timers(&mut self, work: impl FnOnce(&mut Timers) + Send + 'static) {
        self.on_commit_live(move |live| work(&mut live.timers()));
    }

    pub(super) fn finish(self) -> (Staged, Hooks) {
        (self.staged, self.hooks)
    }

    /// The revision of this change, stamped on all rows that it writes.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Writes a row.
    pub fn put(&mut self, table: Table, key: &[u8], payload: &[u8]) {
        let value = Record::encode(self.revision, payload);
        self.staged.insert(table.key(key), Some(value));
    }

    /// Deletes a row; one that is not there stays away without a trace. Returns whether it was there.
    ///
    /// # Errors
    /// When the engine cannot read.
    pub fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, EngineError> {
        if self.get(table, key)?.is_none() {
            return Ok(false);
        }
        let full = table.key(key);
        if table.buries() {
            self.put(Table::GRAVES, &grave(self.revision, &full), &[]);
            self.put(Table::TOMBSTONES, &full, &[]);
        }
        self.staged.insert(full, None);
        Ok(true)
    }

    /// Runs `hook` once the change is on disk: after the hooks of earlier changes, before the
    /// acknowledgement, and before anybody is woken. It must not block.
    pub fn on_commit(&mut self, hook: impl FnOnce(Revision) + Send + 'static) {
        self.hooks.commit.push(Box::new(hook));
    }

    /// Runs `hook` if nothing of the change remains: it failed, or the commit did. Hooks run in reverse
    /// order, before any later change; they take back what a change did to memory.
    pub fn on_abort(&mut self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.abort.push(Box::new(hook));
    }

    /// What this commit has staged for `key`, if anything.
    fn staged(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.staged.get(key).or_else(|| self.earlier.get(key))
    }
}

/// Key in [`Table::GRAVES`]: revision, then the engine's key of the row.
pub(super) fn grave(revision: Revision, full: &[u8]) -> Vec<u8> {
    [&revision.0.to_be_bytes()[..], full].concat()
}

impl Rows for Tx<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, EngineError> {
        let key = table.key(key);
        if let Some(staged) = self.staged(&key) {
            return staged.as_deref().map(Record::decode).transpose();
        }
        self.view
            .get(&key)?
            .as_deref()
            .map(Record::decode)
            .transpose()
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let from = table.key(prefix);
        let mut news = self.news(&from);
        let mut failed = None;
        let mut stopped = false;
        self.view.scan(&from, &mut |key, value| {
            if !key.starts_with(&from) {
                return ControlFlow::Break(());
            }
            // Staged rows that come before this one, and perhaps one in its place.
            while let Some(entry) = news.first_entry() {
                if *entry.key() > key {
                    break;
                }
                let (staged, replacement) = entry.remove_entry();
                if let Some(replacement) = replacement {
                    take(staged, replacement, visit, &mut failed, &mut stopped)?;
                }
                if staged == key {
                    return ControlFlow::Continue(());
                }
            }
            take(key, value, visit, &mut failed, &mut stopped)
        })?;
        while !stopped && let Some((key, value)) = news.pop_first() {
            if let Some(value) = value
                && take(key, value, visit, &mut failed, &mut stopped).is_break()
            {
                break;
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Hands one row to the visitor.
fn take(
    key: &[u8],
    value: &[u8],
    visit: &mut Visit<'_>,
    failed: &mut Option<EngineError>,
    stopped: &mut bool,
) -> ControlFlow<()> {
    let flow = match split(value) {
        Ok((revision, payload)) => visit(key.get(1..).unwrap_or_default(), revision, payload),
        Err(error) => {
            *failed = Some(error);
            ControlFlow::Break(())
        }
    };
    *stopped = flow.is_break();
    flow
}

impl Tx<'_> {
    /// All staged rows whose keys begin with `from`, the newest value of each.
    fn news(&self, from: &[u8]) -> BTreeMap<&[u8], Option<&[u8]>> {
        let end = past(from);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = (Bound::Included(from), end);
        let older = self.earlier.range::<[u8], _>(range);
        let newer = self.staged.range::<[u8], _>(range);
        older
            .chain(newer)
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
            .collect()
    }
}
