//! The record of one function: its name, its pc tables, its source files and the data behind them.
//!
//! # Layout      entry, name, arguments, deferreturn, pcsp, pcfile, pcln, number of pc tables, unit,
//!               (since go1.20 start line,) id, flag, padding, number of data; then the pc tables, then the data

use super::Pclntab;
use super::header::Generation;
use crate::budget::MAX_NAME;
use crate::bytes;
use crate::image::Image;
use crate::lines::PcTable;

/// More pc tables or data than any release gives a function; go1.27 has 5 and 9.
const MAX_TABLES: u32 = 64;

// Offsets behind the entry.
const NAME: usize = 0;
const PC_FILE: usize = 16;
const PC_LINE: usize = 20;
const TABLES: usize = 24;
const UNIT: usize = 28;

/// One function's record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'t, 'd> {
    table: &'t Pclntab<'d>,
    row: u32,
    /// Behind the entry.
    at: usize,
}

/// Where the address of a function's data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datum {
    /// At this address, as a pointer: go1.17.
    PointerAt(u64),
    /// So many bytes behind `moduledata.gofunc`: go1.18 on.
    Offset(u32),
}

impl<'d> Pclntab<'d> {
    /// Finds the record of a row.
    pub(crate) fn record(&self, row: u32) -> Option<Record<'_, 'd>> {
        let at = self.row_at(row)?;
        let width = self.header.generation.entry_width();
        let second = at.checked_add(width)?;
        let offset = match self.header.generation {
            Generation::Absolute => bytes::u64_at(self.data, second)?,
            Generation::Relative | Generation::StartLines => {
                u64::from(bytes::u32_at(self.data, second)?)
            }
        };
        let start = self
            .header
            .rows_at
            .checked_add(usize::try_from(offset).ok()?)?;
        Some(Record {
            table: self,
            row,
            at: start.checked_add(width)?,
        })
    }

    /// Finds the record of the function that starts last at or before `address`.
    pub(crate) fn record_before(&self, image: &Image<'_>, address: u64) -> Option<Record<'_, 'd>> {
        self.record(self.row_before(image, address)?)
    }

    /// Lists all records.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_, 'd>> {
        (0..self.header.rows).filter_map(|row| self.record(row))
    }

    /// Answers the generation of the table.
    pub(crate) fn generation(&self) -> Generation {
        self.header.generation
    }

    /// Reads the name that records and inlined calls mean by `offset`.
    pub(crate) fn name_of(&self, offset: u32) -> Option<&'d [u8]> {
        let at = self
            .header
            .names_at
            .checked_add(usize::try_from(offset).ok()?)?;
        bytes::c_str(self.data, at, MAX_NAME)
    }
}

impl<'d> Record<'_, 'd> {
    /// Answers the first instruction of the function.
    pub(crate) fn entry(self, image: &Image<'_>) -> Option<u64> {
        self.table.row_start(image, self.row)
    }

    /// Answers the offset of the name.
    pub(crate) fn name(self) -> Option<u32> {
        self.field(NAME)
    }

    /// Answers the table of source file numbers.
    pub(crate) fn files(self, entry: u64) -> Option<PcTable<'d>> {
        self.pc_table(self.field(PC_FILE)?, entry)
    }

    /// Answers the table of source lines.
    pub(crate) fn lines(self, entry: u64) -> Option<PcTable<'d>> {
        self.pc_table(self.field(PC_LINE)?, entry)
    }

    /// Answers one of the numbered tables, such as the places in the inline tree.
    pub(crate) fn numbered(self, number: u32, entry: u64) -> Option<PcTable<'d>> {
        if number >= self.table_count()? {
            return None;
        }
        let at = usize::try_from(number).ok()?.checked_mul(4)?;
        let offset = bytes::u32_at(self.table.data, self.end()?.checked_add(at)?)?;
        self.pc_table(offset, entry)
    }

    /// Says where a function's numbered data, such as its inline tree, is written.
    pub(crate) fn datum(self, number: u8) -> Option<Datum> {
        let end = self.end()?;
        let count = bytes::u8_at(self.table.data, end.checked_sub(1)?)?;
        if number >= count {
            return None;
        }
        let tables = usize::try_from(self.table_count()?).ok()?.checked_mul(4)?;
        let first = end.checked_add(tables)?;
        let number = usize::from(number);
        if self.table.header.generation != Generation::Absolute {
            let offset =
                bytes::u32_at(self.table.data, first.checked_add(number.checked_mul(4)?)?)?;
            return (offset != u32::MAX).then_some(Datum::Offset(offset));
        }
        // Pointers are aligned by address.
        let first = self.table.address.checked_add(u64::try_from(first).ok()?)?;
        let aligned = first.checked_next_multiple_of(8)?;
        let step = u64::try_from(number.checked_mul(8)?).ok()?;
        aligned.checked_add(step).map(Datum::PointerAt)
    }

    /// Reads the name of a source file by the number a pc table gives.
    pub(crate) fn file(self, number: u32) -> Option<&'d [u8]> {
        let table = self.table;
        let unit = usize::try_from(self.field(UNIT)?).ok()?;
        let at = unit
            .checked_add(usize::try_from(number).ok()?)?
            .checked_mul(4)?
            .checked_add(table.header.units_at)?;
        let offset = usize::try_from(bytes::u32_at(table.data, at)?).ok()?;
        bytes::c_str(
            table.data,
            table.header.files_at.checked_add(offset)?,
            MAX_NAME,
        )
    }

    /// Reads the source file of the first instruction.
    pub(super) fn first_file(self) -> Option<&'d [u8]> {
        let first = self.files(0)?.next_run().ok()??;
        self.file(u32::try_from(first.value).ok()?)
    }

    fn table_count(self) -> Option<u32> {
        self.field(TABLES).filter(|&count| count <= MAX_TABLES)
    }

    /// Answers where the pc tables begin; the byte before it counts the data.
    fn end(self) -> Option<usize> {
        let width = if self.table.header.generation == Generation::StartLines {
            40
        } else {
            36
        };
        self.at.checked_add(width)
    }

    /// A table at offset 0 is none.
    fn pc_table(self, offset: u32, entry: u64) -> Option<PcTable<'d>> {
        let header = &self.table.header;
        let at = header.pcs_at.checked_add(usize::try_from(offset).ok()?)?;
        let data = self.table.data.get(at..).filter(|_| offset != 0)?;
        Some(PcTable::new(data, entry, header.quantum))
    }

    fn field(self, at: usize) -> Option<u32> {
        bytes::u32_at(self.table.data, self.at.checked_add(at)?)
    }
}
