//! The first functions of a function table.
//!
//! The linker adds names, files and pc tables in the order of the functions, so that a table of the
//! first functions needs only the first bytes of each part. Functions of `internal/cpu` and
//! `internal/bytealg` come first: Go, assembly, wrappers and inlined calls.

use anyhow::{Context as _, Result};
use symbols_fuzz::go::{FUNCDATA, TEXT};
use symbols_fuzz::parts::join;

use crate::program::{Program, half, set, word};

/// Functions kept.
const KEPT: usize = 9;
/// `PCDATA_InlTreeIndex` and `FUNCDATA_InlTree`.
const INLINE_INDEX: usize = 2;
const INLINE_TREE: usize = 3;

/// A function table, taken apart.
struct Table<'d> {
    data: &'d [u8],
    minor: u8,
    /// Where names, units, files, pc tables and rows begin.
    parts: [usize; 5],
}

/// How much of each part the functions kept need.
#[derive(Default)]
struct Extent {
    names: usize,
    units: usize,
    files: usize,
    pcs: usize,
}

pub(crate) fn cut(program: &Program<'_>) -> Result<Vec<u8>> {
    let (address, _) = program.symbol("runtime.pclntab")?;
    let size = program.symbol("runtime.epclntab")?.0 - address;
    let table = Table::read(program.bytes(address, size)?, program.minor)?;
    let base = match program.minor {
        17 => 0,
        18 | 19 => program.module(304)?,
        20..=26 => program.module(320)?,
        _ => program.module(344)?,
    };
    let mut extent = Extent::default();
    let mut records = Vec::new();
    let mut rows = Vec::new();
    let mut trees = Vec::new();
    let rows_size = (KEPT + 1) * table.row_width();
    for row in 0..KEPT {
        table.measure(row, &mut extent)?;
        let mut record = table.record(row)?.to_vec();
        table.move_tree(program, base, &mut record, &mut trees, &mut extent)?;
        rows.push((table.entry(row)?, rows_size + records.len()));
        records.extend(record);
        records.resize(records.len().next_multiple_of(8), 0);
    }
    let end = table.entry(KEPT)?;
    rows.push((end, 0));
    let start = if program.minor == 17 { TEXT } else { 0 };
    let (text, _) = program.symbol("runtime.text")?;
    let code = program.bytes(text, end - start)?;
    Ok(join(&[
        &program.build(),
        &table.write(&extent, &rows, &records)?,
        &trees,
        code,
    ]))
}

impl<'d> Table<'d> {
    fn read(data: &'d [u8], minor: u8) -> Result<Self> {
        let first = if minor == 17 { 24 } else { 32 };
        let mut parts = [0; 5];
        for (number, part) in parts.iter_mut().enumerate() {
            *part = usize::try_from(word(data, first + 8 * number)?)?;
        }
        Ok(Self { data, minor, parts })
    }

    fn row_width(&self) -> usize {
        if self.minor == 17 { 16 } else { 8 }
    }

    fn entry(&self, row: usize) -> Result<u64> {
        let at = self.parts[4] + row * self.row_width();
        if self.minor == 17 {
            word(self.data, at)
        } else {
            Ok(half(self.data, at)? as u64)
        }
    }

    /// Where the fields of a record begin that are 4 bytes wide in every release.
    fn fields(&self) -> usize {
        self.row_width() / 2
    }

    fn field(&self, record: &[u8], number: usize) -> Result<usize> {
        half(record, self.fields() + 4 * number)
    }

    /// Where pcdata and funcdata begin in a record, and how many there are.
    fn tail(&self, record: &[u8]) -> Result<(usize, usize, usize, usize)> {
        let start_line = usize::from(self.minor >= 20);
        let last = self.fields() + 4 * (8 + start_line);
        let pcdata = self.field(record, 6)?;
        let funcdata = usize::from(*record.get(last + 3).context("a record ends early")?);
        let funcdata_at = (last + 4 + 4 * pcdata).next_multiple_of(self.fields());
        Ok((last + 4, pcdata, funcdata_at, funcdata))
    }

    fn record(&self, row: usize) -> Result<&'d [u8]> {
        let at = self.parts[4] + row * self.row_width() + self.row_width() / 2;
        let at = self.parts[4]
            + if self.minor == 17 {
                word(self.data, at)? as usize
            } else {
                half(self.data, at)?
            };
        let rest = self.data.get(at..).context("a record begins outside")?;
        let (_, _, funcdata_at, funcdata) = self.tail(rest)?;
        rest.get(..funcdata_at + funcdata * self.fields())
            .context("a record ends outside")
    }

    /// Extends what is needed by what one function needs.
    fn measure(&self, row: usize, extent: &mut Extent) -> Result<()> {
        let record = self.record(row)?;
        self.need_name(self.field(record, 0)?, extent)?;
        let (at, count, ..) = self.tail(record)?;
        let mut tables = vec![self.field(record, 3)?, self.field(record, 5)?];
        for number in 0..count {
            tables.push(half(record, at + 4 * number)?);
        }
        for table in tables {
            self.values(table, extent)?;
        }
        let unit = self.field(record, 7)?;
        let last = self.values(self.field(record, 4)?, extent)?.unwrap_or(0);
        for number in 0..=last {
            extent.units = extent.units.max(4 * (unit + number + 1));
            let file = half(self.data, self.parts[1] + 4 * (unit + number))?;
            if file != u32::MAX as usize {
                let name = self
                    .data
                    .get(self.parts[2] + file..)
                    .context("a file is outside")?;
                let length = name
                    .iter()
                    .position(|&byte| byte == 0)
                    .context("a file has no end")?;
                extent.files = extent.files.max(file + length + 1);
            }
        }
        Ok(())
    }

    fn need_name(&self, at: usize, extent: &mut Extent) -> Result<()> {
        let name = self
            .data
            .get(self.parts[0] + at..)
            .context("a name is outside")?;
        let length = name
            .iter()
            .position(|&byte| byte == 0)
            .context("a name has no end")?;
        extent.names = extent.names.max(at + length + 1);
        Ok(())
    }

    /// Walks a pc table; answers its largest value.
    fn values(&self, table: usize, extent: &mut Extent) -> Result<Option<usize>> {
        if table == 0 {
            return Ok(None);
        }
        let data = self.data.get(self.parts[3]..).context("no pc tables")?;
        let (mut at, mut value, mut most) = (table, -1_i64, None);
        loop {
            let first = at == table;
            let delta = varint(data, &mut at)?;
            if delta == 0 && !first {
                break;
            }
            value += (delta >> 1) ^ -(delta & 1);
            varint(data, &mut at)?;
            most = most.max(usize::try_from(value).ok());
        }
        extent.pcs = extent.pcs.max(at);
        Ok(most)
    }

    /// Copies the inline tree of a record, and drops its other funcdata.
    fn move_tree(
        &self,
        program: &Program<'_>,
        base: u64,
        record: &mut [u8],
        trees: &mut Vec<u8>,
        extent: &mut Extent,
    ) -> Result<()> {
        let (pcdata_at, pcdata, at, count) = self.tail(record)?;
        let width = self.fields();
        for number in 0..count {
            let place = at + number * width;
            let (tree, absent) = match width {
                8 => (word(record, place)?, 0),
                _ => (base + half(record, place)? as u64, u32::MAX as usize),
            };
            let is_tree = number == INLINE_TREE && INLINE_INDEX < pcdata;
            let is_there = half(record, place)? != absent;
            let mut moved = absent as u64;
            if is_tree && is_there {
                let index = half(record, pcdata_at + 4 * INLINE_INDEX)?;
                let calls = self.values(index, extent)?.map_or(0, |last| last + 1);
                let (size, name) = if self.minor >= 20 { (16, 4) } else { (20, 12) };
                let bytes = program.bytes(tree, (size * calls) as u64)?;
                for call in bytes.chunks_exact(size) {
                    self.need_name(half(call, name)?, extent)?;
                }
                moved = trees.len() as u64 + if width == 8 { FUNCDATA } else { 0 };
                trees.extend(bytes);
            }
            set(
                record,
                place,
                moved.to_le_bytes().get(..width).unwrap_or_default(),
            )?;
        }
        Ok(())
    }

    fn write(&self, extent: &Extent, rows: &[(u64, usize)], records: &[u8]) -> Result<Vec<u8>> {
        let header = if self.minor == 17 { 64 } else { 72 };
        let mut table = self.data.get(..header).context("no header")?.to_vec();
        set(&mut table, 8, &(KEPT as u64).to_le_bytes())?;
        if self.minor > 17 && word(&table, 24)? != 0 {
            set(&mut table, 24, &TEXT.to_le_bytes())?;
        }
        for (number, length) in [extent.names, extent.units, extent.files, extent.pcs]
            .into_iter()
            .enumerate()
        {
            let begins = table.len() as u64;
            set(&mut table, header - 40 + 8 * number, &begins.to_le_bytes())?;
            let part = self
                .data
                .get(self.parts[number]..)
                .and_then(|part| part.get(..length));
            table.extend(part.context("a part ends outside")?);
            table.resize(table.len().next_multiple_of(8), 0);
        }
        let begins = table.len() as u64;
        set(&mut table, header - 8, &begins.to_le_bytes())?;
        let width = self.row_width() / 2;
        for &(entry, record) in rows {
            table.extend(entry.to_le_bytes().iter().take(width));
            table.extend((record as u64).to_le_bytes().iter().take(width));
        }
        table.extend(records);
        Ok(table)
    }
}

fn varint(data: &[u8], at: &mut usize) -> Result<i64> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = *data.get(*at).context("a pc table ends outside")?;
        *at += 1;
        value |= i64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
}
