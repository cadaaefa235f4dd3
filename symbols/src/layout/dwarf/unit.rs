//! Units one at a time: a header and a table of abbreviations, read again when they are needed again.
//!
//! Nothing is kept of a unit but its place, so that memory does not grow with their number.

use std::sync::Arc;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAbbrevOffset, EndianSlice, EntriesRaw,
    LittleEndian, Reader as _, UnitHeader, UnitOffset, constants as dw,
};

use super::sections::Sections;
use super::{ABBREV, Slice};
use crate::budget::{
    ABBREVIATION_READS, Allowance, Budget, MAX_ABBREVIATIONS, MAX_ATTRIBUTES, MORE_ABBREVIATIONS,
};
use crate::error::Reason;

/// The table of abbreviations read last; all units of the Go toolchain share one.
#[derive(Debug)]
pub(super) struct LastTable<'b> {
    last: Option<(usize, Arc<Abbreviations>)>,
    bytes: Allowance<'b>,
}

impl<'b> LastTable<'b> {
    pub(super) fn new(sections: &Sections<'_>, budget: &'b Budget) -> Self {
        let all = sections.abbreviations().len() as u64;
        let limit = all.saturating_mul(ABBREVIATION_READS);
        let limit = limit.saturating_add(MORE_ABBREVIATIONS);
        Self {
            last: None,
            bytes: budget.allow("bytes of abbreviations", limit),
        }
    }

    /// Answers the table at an offset.
    fn read(&mut self, sections: &Sections<'_>, at: usize) -> Result<Arc<Abbreviations>, Reason> {
        if let Some((_, table)) = self.last.as_ref().filter(|(offset, _)| *offset == at) {
            return Ok(Arc::clone(table));
        }
        let malformed = Reason::Malformed {
            section: ABBREV,
            offset: at as u64,
        };
        let bytes = table(sections.abbreviations(), at).ok_or_else(|| malformed.clone())?;
        self.bytes.spend(bytes.len() as u64)?;
        let table = DebugAbbrev::new(bytes, LittleEndian).abbreviations(DebugAbbrevOffset(0));
        let table = Arc::new(table.map_err(|_cause| malformed)?);
        self.last = Some((at, Arc::clone(&table)));
        Ok(table)
    }
}

/// Cuts the table that begins at `at` out of the section.
fn table(section: &[u8], at: usize) -> Option<&[u8]> {
    let rest = section.get(at..)?;
    let window = rest.get(..rest.len().min(MAX_ABBREVIATIONS))?;
    let mut reader = EndianSlice::new(window, LittleEndian);
    skip_table(&mut reader)?;
    window.get(..window.len().checked_sub(reader.len())?)
}

/// Reads codes, tags and attributes up to the code 0.
fn skip_table(reader: &mut Slice<'_>) -> Option<()> {
    while reader.read_uleb128().ok()? != 0 {
        let _tag = reader.read_uleb128().ok()?;
        let _has_children = reader.read_u8().ok()?;
        skip_attributes(reader)?;
    }
    Some(())
}

/// Reads names and forms up to the pair of zeros; `None` when there are more than any compiler writes.
fn skip_attributes(reader: &mut Slice<'_>) -> Option<()> {
    for _ in 0..=MAX_ATTRIBUTES {
        let name = reader.read_uleb128().ok()?;
        let form = reader.read_uleb128().ok()?;
        if form == u64::from(dw::DW_FORM_implicit_const.0) {
            let _value = reader.read_sleb128().ok()?;
        }
        if (name, form) == (0, 0) {
            return Some(());
        }
    }
    None
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
        tables: &mut LastTable<'_>,
    ) -> Result<Self, Reason> {
        let table = tables.read(sections, header.debug_abbrev_offset().0)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_ends_at_its_null_code() {
        // One abbreviation with a name and an implicit constant, then the end, then another table.
        let section = [
            1, 0x13, 1, 3, 8, 0x0b, 0x21, 0x7f, 0, 0, 0, 1, 0x24, 0, 0, 0, 0,
        ];
        assert_eq!(table(&section, 0).map(<[u8]>::len), Some(11));
        assert_eq!(table(&section, 11).map(<[u8]>::len), Some(6));
        assert_eq!(table(&section[..10], 0), None);
        assert_eq!(table(&section, 99), None);
        assert_eq!(table(&[1; 2 * MAX_ABBREVIATIONS], 0), None);
        let attributes = |count: usize| {
            let pairs = [3, 8].repeat(count);
            [&[1, 0x13, 1][..], &pairs, &[0, 0, 0]].concat()
        };
        assert!(table(&attributes(MAX_ATTRIBUTES), 0).is_some());
        assert!(table(&attributes(MAX_ATTRIBUTES + 1), 0).is_none());
    }
}
