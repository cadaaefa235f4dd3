//! Units one at a time: a header and a table of abbreviations, read again when they are needed again.
//!
//! Nothing is kept of a unit but its place, so that memory does not grow with their number.

use std::cell::RefCell;
use std::sync::Arc;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAbbrevOffset, EntriesRaw, LittleEndian,
    UnitHeader, UnitOffset,
};

use super::sections::Sections;
use super::{ABBREV, Slice};
use crate::budget::{Budget, MAX_ABBREVIATIONS};
use crate::error::Reason;

/// The table of abbreviations read last; all units of the Go toolchain share one.
#[derive(Debug, Default)]
pub(super) struct LastTable(RefCell<Option<(usize, Arc<Abbreviations>)>>);

impl LastTable {
    /// Answers the table at an offset, and spends the work of reading it.
    fn read(
        &self,
        sections: &Sections<'_>,
        start: usize,
        budget: &Budget,
    ) -> Result<Arc<Abbreviations>, Reason> {
        let mut last = self.0.borrow_mut();
        if let Some((_, table)) = last.as_ref().filter(|(offset, _)| *offset == start) {
            return Ok(Arc::clone(table));
        }
        let malformed = || Reason::Malformed {
            section: ABBREV,
            offset: start as u64,
        };
        let section = sections.abbreviations();
        let end = section.len().min(start.saturating_add(MAX_ABBREVIATIONS));
        let window = section.get(..end).ok_or_else(malformed)?;
        budget.search(end.saturating_sub(start))?;
        let table = DebugAbbrev::new(window, LittleEndian).abbreviations(DebugAbbrevOffset(start));
        let table = Arc::new(table.map_err(|_cause| malformed())?);
        *last = Some((start, Arc::clone(&table)));
        Ok(table)
    }
}

/// A unit and what its entries are read with.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    pub(super) start: usize,
    pub(super) header: UnitHeader<Slice<'a>>,
    abbreviations: Arc<Abbreviations>,
}

impl<'a> Unit<'a> {
    pub(super) fn new(
        header: UnitHeader<Slice<'a>>,
        sections: &Sections<'_>,
        tables: &LastTable,
        budget: &Budget,
    ) -> Result<Self, Reason> {
        let table = tables.read(sections, header.debug_abbrev_offset().0, budget)?;
        let start = header.debug_info_offset();
        Ok(Self {
            start: start.map_or(usize::MAX, |start| start.0),
            header,
            abbreviations: table,
        })
    }

    /// Reads the entries from an offset on, or all of them.
    pub(super) fn entries(
        &self,
        from: Option<UnitOffset>,
    ) -> Result<EntriesRaw<'_, Slice<'a>>, gimli::Error> {
        self.header.entries_raw(&self.abbreviations, from)
    }

    /// Answers the place in the section that an attribute refers to.
    pub(super) fn reference(&self, value: &AttributeValue<Slice<'_>>) -> Option<u64> {
        match *value {
            AttributeValue::DebugInfoRef(offset) => u64::try_from(offset.0).ok(),
            AttributeValue::UnitRef(offset) => {
                u64::try_from(self.start.checked_add(offset.0)?).ok()
            }
            _ => None,
        }
    }
}
