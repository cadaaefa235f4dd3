//! A consistent view of all tables.

use std::ops::ControlFlow;

use crate::{
    EngineError, Revision,
    engine::{View, Visitor},
    rows::{Record, Rows, Table, Visit, split},
};

/// The state of one commit, whatever is committed later. To be dropped soon: it keeps old pages from
/// being used again.
pub struct Reader {
    view: Box<dyn View>,
}

impl Reader {
    pub(super) fn new(view: Box<dyn View>) -> Self {
        Self { view }
    }

    /// Revision of the newest change in it.
    ///
    /// # Errors
    /// When the engine cannot read.
    pub fn revision(&self) -> Result<Revision, EngineError> {
        super::meta::revision(self)
    }

    pub(super) fn is_empty(&self) -> Result<bool, EngineError> {
        let mut is_empty = true;
        self.all(&mut |_, _| {
            is_empty = false;
            ControlFlow::Break(())
        })?;
        Ok(is_empty)
    }

    /// Visits the rows of all tables as the engine has them.
    pub(crate) fn all(&self, visit: &mut Visitor<'_>) -> Result<(), EngineError> {
        self.view.scan(&[], visit)
    }
}

impl Rows for Reader {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, EngineError> {
        let value = self.view.get(&table.key(key))?;
        value.as_deref().map(Record::decode).transpose()
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let from = table.key(prefix);
        let mut failed = None;
        self.view.scan(&from, &mut |key, value| {
            if !key.starts_with(&from) {
                return ControlFlow::Break(());
            }
            match split(value) {
                Ok((revision, payload)) => {
                    visit(key.get(1..).unwrap_or_default(), revision, payload)
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(()), Err)
    }
}
