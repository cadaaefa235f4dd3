//! The storage engine in use: redb, one table of byte strings in one file.
//!
//! One redb table holds all rows, since each further one would dirty pages of its own in every commit.
//! Opening verifies the checksum of every page, so that a damaged file is told from a good one there
//! and not by a wrong answer later.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::{
    Builder, CommitError, Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase,
    StorageError, Table, TableDefinition, TableError, TransactionError,
};

use crate::{Engine, EngineError, Row, View, Visitor};

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("golens rows 1");

/// What is done in one write transaction.
type Work<'a> = dyn FnMut(&mut Table<'_, &[u8], &[u8]>) -> Result<(), EngineError> + 'a;

/// A redb file.
pub struct RedbEngine {
    path: PathBuf,
    cache_bytes: usize,
    /// `None` after a failed commit: redb refuses to go on with a handle whose input or output failed.
    database: Mutex<Option<Arc<Database>>>,
}

impl RedbEngine {
    /// Opens the file at `path`, which must exist, and verifies it.
    ///
    /// # Errors
    /// `Corrupt` when a page is wrong, the file is empty or has no rows table; `InUse`; `Format`; `Io`.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, EngineError> {
        let engine = Self {
            path: path.to_owned(),
            cache_bytes,
            database: Mutex::new(Some(Arc::new(open(path, cache_bytes)?))),
        };
        engine.view()?;
        Ok(engine)
    }

    /// Makes a file at `path` with the given rows. It appears there complete or not at all.
    ///
    /// # Errors
    /// When the file or its folder cannot be written.
    pub fn create(
        path: &Path,
        cache_bytes: usize,
        rows: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<Self, EngineError> {
        let unfinished = path.with_extension("new");
        // What a process left that died right here.
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let database = builder(cache_bytes)
            .create(&unfinished)
            .map_err(from_database)?;
        let engine = Self {
            path: unfinished.clone(),
            cache_bytes,
            database: Mutex::new(Some(Arc::new(database))),
        };
        let mut rows = rows
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()));
        engine.commit(&mut rows)?;
        drop(engine);
        std::fs::rename(&unfinished, path)?;
        sync_folder(path)?;
        Self::open(path, cache_bytes)
    }

    /// The database, reopened when it has to be. No lock is held while it is used.
    fn database(&self) -> Result<Arc<Database>, EngineError> {
        let mut database = self.lock();
        if let Some(database) = database.as_ref() {
            return Ok(Arc::clone(database));
        }
        let reopened = Arc::new(open(&self.path, self.cache_bytes)?);
        Ok(Arc::clone(database.insert(reopened)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Database>>> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in a write transaction. After a failure the file is opened anew.
    fn write(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let outcome = self.try_write(work);
        if outcome.is_err() {
            *self.lock() = None;
        }
        outcome
    }

    fn try_write(&self, work: &mut Work<'_>) -> Result<(), EngineError> {
        let database = self.database()?;
        let mut transaction = database.begin_write().map_err(from_transaction)?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|error| other(&error))?;
        {
            let mut table = transaction.open_table(ROWS).map_err(from_table)?;
            work(&mut table)?;
        }
        transaction.commit().map_err(from_commit)
    }
}

impl Engine for RedbEngine {
    fn view(&self) -> Result<Box<dyn View>, EngineError> {
        let transaction = self.database()?.begin_read().map_err(from_transaction)?;
        let table = transaction.open_table(ROWS).map_err(from_table)?;
        Ok(Box::new(RedbView { table }))
    }

    fn commit(
        &self,
        rows: &mut dyn Iterator<Item = (&[u8], Option<&[u8]>)>,
    ) -> Result<(), EngineError> {
        self.write(&mut |table| {
            for (key, value) in &mut *rows {
                match value {
                    Some(value) => drop(table.insert(key, value).map_err(from_storage)?),
                    None => drop(table.remove(key).map_err(from_storage)?),
                }
            }
            Ok(())
        })
    }

    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, EngineError>>,
    ) -> Result<(), EngineError> {
        self.write(&mut |table| {
            table.retain(|_, _| false).map_err(from_storage)?;
            for row in &mut *rows {
                let (key, value) = row?;
                drop(
                    table
                        .insert(key.as_slice(), value.as_slice())
                        .map_err(from_storage)?,
                );
            }
            Ok(())
        })
    }
}

struct RedbView {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl View for RedbView {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let found = self.table.get(key).map_err(from_storage)?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    fn scan(&self, from: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        for row in self.table.range(from..).map_err(from_storage)? {
            let (key, value) = row.map_err(from_storage)?;
            if visit(key.value(), value.value()).is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder
        .set_cache_size(cache_bytes)
        .set_check_integrity_on_open(true);
    builder
}

fn open(path: &Path, cache_bytes: usize) -> Result<Database, EngineError> {
    let length = OpenOptions::new().read(true).open(path)?.metadata()?.len();
    if length == 0 {
        // redb would take it for a new one.
        return Err(EngineError::Corrupt {
            reason: "the file is empty".to_owned(),
        });
    }
    builder(cache_bytes).open(path).map_err(from_database)
}

/// Makes the name of `path` durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    OpenOptions::new().read(true).open(folder)?.sync_all()
}

fn other(error: &dyn std::error::Error) -> EngineError {
    EngineError::Other {
        reason: error.to_string(),
    }
}

fn from_database(error: DatabaseError) -> EngineError {
    match error {
        DatabaseError::Storage(error) => from_storage(error),
        DatabaseError::DatabaseAlreadyOpen => EngineError::InUse,
        DatabaseError::UpgradeRequired(found) => EngineError::Format {
            found: format!("redb {found}"),
            expected: "redb 3".to_owned(),
        },
        error => other(&error),
    }
}

fn from_transaction(error: TransactionError) -> EngineError {
    match error {
        TransactionError::Storage(error) => from_storage(error),
        error => other(&error),
    }
}

fn from_commit(error: CommitError) -> EngineError {
    match error {
        CommitError::Storage(error) => from_storage(error),
        error => other(&error),
    }
}

fn from_table(error: TableError) -> EngineError {
    match error {
        TableError::Storage(error) => from_storage(error),
        // A redb file, but not one of ours.
        TableError::TableDoesNotExist(name) => EngineError::Format {
            found: format!("no table {name:?}"),
            expected: format!("table {name:?}"),
        },
        error => other(&error),
    }
}

fn from_storage(error: StorageError) -> EngineError {
    match error {
        StorageError::Corrupted(reason) => EngineError::Corrupt { reason },
        // The file does not begin or end as a redb file does.
        StorageError::Io(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            EngineError::Corrupt {
                reason: error.to_string(),
            }
        }
        StorageError::Io(error) => EngineError::Io(error),
        error => other(&error),
    }
}
