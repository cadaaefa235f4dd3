//! What one can wait for.

use std::sync::Arc;

use crate::{EngineError, Revision, Rows, Table};

/// What one can wait for: a change of one row, or of any row with a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    key: Arc<[u8]>,
    is_prefix: bool,
}

impl Topic {
    /// The row `key` of `table`: written or deleted.
    pub fn row(table: Table, key: &[u8]) -> Self {
        Self::of_row(&table.key(key))
    }

    /// All rows of `table` whose keys begin with `prefix`.
    pub fn prefix(table: Table, prefix: &[u8]) -> Self {
        Self::of_prefix(&table.key(prefix))
    }

    /// Revision of the last change that it was about.
    ///
    /// # Errors
    /// When the engine cannot read.
    pub fn index(&self, rows: &impl Rows) -> Result<Revision, EngineError> {
        let Some((table, key)) = Table::of(&self.key) else {
            return Ok(Revision::FIRST);
        };
        match self.is_prefix {
            true => rows.prefix_index(table, key),
            false => rows.index(table, key),
        }
    }

    pub(super) fn of_row(full: &[u8]) -> Self {
        Self {
            key: full.into(),
            is_prefix: false,
        }
    }

    pub(super) fn of_prefix(full: &[u8]) -> Self {
        Self {
            key: full.into(),
            is_prefix: true,
        }
    }

    /// Length of the prefix, if it is one.
    pub(super) fn prefix_length(&self) -> Option<usize> {
        self.is_prefix.then_some(self.key.len())
    }
}
