//! Tables, rows, and what can be read in a table.

use std::ops::ControlFlow;

use crate::{EngineError, Revision};

/// A table: the first byte of the keys of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    id: u8,
    buries: bool,
}

impl Table {
    /// Tables of other crates begin here.
    const FIRST_FOREIGN: u8 = 64;

    pub(crate) const META: Self = Self::own(0);
    pub(crate) const KV: Self = Self::own(1).with_tombstones();
    pub(crate) const SESSIONS: Self = Self::own(2).with_tombstones();
    pub(crate) const LOCK_DELAYS: Self = Self::own(3);
    pub(crate) const TOKENS: Self = Self::own(4);
    pub(crate) const AUDIT: Self = Self::own(5);
    /// Rows that were deleted: table and key.
    pub(crate) const TOMBSTONES: Self = Self::own(6);
    /// The same, by revision, for finding the oldest.
    pub(crate) const GRAVES: Self = Self::own(7);
    /// Keys that a session holds: session and key.
    pub(crate) const HELD: Self = Self::own(8);

    /// Sessions by the checks that end them: check and session.
    pub(crate) const SESSION_CHECKS: Self = Self::own(9);

    const fn own(id: u8) -> Self {
        Self { id, buries: false }
    }

    /// A table of another crate; `number` counts from 0 and is part of the format of the file.
    ///
    /// # Panics
    /// At compile time when `number` is above 191.
    pub const fn foreign(number: u8) -> Self {
        assert!(number <= u8::MAX - Self::FIRST_FOREIGN, "too many tables");
        Self::own(Self::FIRST_FOREIGN + number)
    }

    /// A deleted row leaves its revision behind, so that its index, and that of its prefixes, moves forward.
    #[must_use]
    pub const fn with_tombstones(self) -> Self {
        Self {
            id: self.id,
            buries: true,
        }
    }

    pub(crate) const fn buries(self) -> bool {
        self.buries
    }

    /// Table and key of the engine's key. Whether the table buries is not known from it.
    pub(crate) fn of(full: &[u8]) -> Option<(Self, &[u8])> {
        let (id, key) = full.split_first()?;
        Some((Self::own(*id), key))
    }

    /// The engine's key of row `key`.
    pub(crate) fn key(self, key: &[u8]) -> Vec<u8> {
        let mut full = Vec::with_capacity(key.len() + 1);
        full.push(self.id);
        full.extend_from_slice(key);
        full
    }
}

/// A row as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Revision of the change that wrote it.
    pub revision: Revision,
    /// What was written.
    pub payload: Vec<u8>,
}

/// Length of the revision that every value begins with.
const STAMP: usize = 8;

impl Record {
    pub(crate) fn encode(revision: Revision, payload: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(STAMP + payload.len());
        value.extend_from_slice(&revision.0.to_be_bytes());
        value.extend_from_slice(payload);
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Result<Self, EngineError> {
        let (revision, payload) = split(value)?;
        Ok(Self {
            revision,
            payload: payload.to_vec(),
        })
    }
}

/// Revision and payload of a value.
pub(crate) fn split(value: &[u8]) -> Result<(Revision, &[u8]), EngineError> {
    let Some((stamp, payload)) = value.split_first_chunk::<STAMP>() else {
        return Err(EngineError::Corrupt {
            reason: format!("a row has {} bytes and no revision", value.len()),
        });
    };
    Ok((Revision(u64::from_be_bytes(*stamp)), payload))
}

/// Visitor of [`Rows::scan`]: key without table, revision, payload.
pub type Visit<'a> = dyn FnMut(&[u8], Revision, &[u8]) -> ControlFlow<()> + 'a;

/// Something that rows can be read from: the last commit, or a change under way.
pub trait Rows {
    /// The row `key` of `table`.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, EngineError>;

    /// Visits the rows of `table` whose keys begin with `prefix`, in the order of their keys.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn scan(&self, table: Table, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError>;

    /// Index of one row, there or not: the revision it was last written or deleted at. Never goes back.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn index(&self, table: Table, key: &[u8]) -> Result<Revision, EngineError> {
        if let Some(record) = self.get(table, key)? {
            return Ok(record.revision.max(floor(self, RESTORED)?));
        }
        let buried = self.get(Table::TOMBSTONES, &table.key(key))?;
        let buried = buried.map_or(Revision::FIRST, |record| record.revision);
        Ok(buried.max(lost(self)?))
    }

    /// Index of all rows whose keys begin with `prefix`: of the last one written or deleted. Never goes
    /// back.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn prefix_index(&self, table: Table, prefix: &[u8]) -> Result<Revision, EngineError> {
        let mut newest = lost(self)?;
        let mut take = |_: &[u8], revision: Revision, _: &[u8]| {
            newest = newest.max(revision);
            ControlFlow::Continue(())
        };
        self.scan(table, prefix, &mut take)?;
        self.scan(Table::TOMBSTONES, &table.key(prefix), &mut take)?;
        Ok(newest)
    }
}

/// Key in [`Table::META`]: a snapshot was restored at this revision, so everything may have changed.
pub(crate) const RESTORED: &[u8] = b"restored";

/// Key in [`Table::META`]: tombstones up to this revision are gone.
pub(crate) const REAPED: &[u8] = b"reaped";

fn floor(rows: &(impl Rows + ?Sized), name: &[u8]) -> Result<Revision, EngineError> {
    let record = rows.get(Table::META, name)?;
    match record {
        Some(record) => Ok(split(&record.payload)?.0),
        None => Ok(Revision::FIRST),
    }
}

/// What an absent row may have been deleted at, at the latest, without us knowing.
fn lost(rows: &(impl Rows + ?Sized)) -> Result<Revision, EngineError> {
    Ok(floor(rows, RESTORED)?.max(floor(rows, REAPED)?))
}

/// The least key that is greater than all keys with `prefix`; `None` when there is none.
pub(crate) fn past(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}
