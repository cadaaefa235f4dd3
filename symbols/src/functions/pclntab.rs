//! The function table every Go binary carries, stripped or not.
//!
//! # Layout      header, names, compilation units, files, pc tables, then (entry, offset) pairs in address order

use std::sync::OnceLock;

use super::index::NameIndex;
use super::padding;
use crate::budget::{MAX_FUNCTIONS, MAX_NAME};
use crate::bytes;
use crate::error::Reason;
use crate::fact::{Function, Provenance};
use crate::image::{Image, Machine};

/// The generations of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generation {
    /// go1.16 and go1.17: entries are addresses.
    Absolute,
    /// go1.18 on: entries are offsets from the start of the text.
    Relative,
}

/// What kind of body a row is, read from the file it was compiled from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Go,
    Assembly,
    Wrapper,
}

/// The header: how many functions, and where the parts of the table begin.
#[derive(Debug, Clone, Copy)]
struct Header {
    generation: Generation,
    rows: u32,
    names_at: usize,
    units_at: usize,
    files_at: usize,
    pcs_at: usize,
    rows_at: usize,
}

impl Header {
    /// Reads a header whose parts lie inside `data`.
    fn read(data: &[u8]) -> Option<Self> {
        let generation = generation(data)?;
        let first = if generation == Generation::Absolute {
            24_usize
        } else {
            32
        };
        let place = |step: usize| {
            let at = step.checked_mul(8)?.checked_add(first)?;
            usize::try_from(bytes::u64_at(data, at)?)
                .ok()
                .filter(|&value| value < data.len())
        };
        Some(Self {
            generation,
            rows: u32::try_from(bytes::u64_at(data, 8)?)
                .ok()
                .filter(|&rows| rows > 0)?,
            names_at: place(0)?,
            units_at: place(1)?,
            files_at: place(2)?,
            pcs_at: place(3)?,
            rows_at: place(4)?,
        })
    }
}

/// The function table and the address its entries count from.
#[derive(Debug)]
pub(crate) struct Pclntab<'d> {
    address: u64,
    data: &'d [u8],
    header: Header,
    text: u64,
    /// Functions are padded with a byte that is no part of them.
    trim: bool,
    names: OnceLock<Result<NameIndex, Reason>>,
}

impl<'d> Pclntab<'d> {
    /// Finds the table by its section, else by a header that makes sense in the segments.
    pub(crate) fn address(image: &Image<'_>) -> Option<u64> {
        let is_table = |data: &[u8]| Header::read(data).is_some();
        let by_section = image
            .go_section(".gopclntab")
            .map(|section| section.address);
        by_section
            .filter(|&address| image.tail(address).is_some_and(is_table))
            .or_else(|| {
                image
                    .segments
                    .iter()
                    .filter(|segment| !segment.executable)
                    .find_map(|segment| {
                        let data = image.tail(segment.vaddr)?;
                        let at = (0..data.len())
                            .step_by(8)
                            .find(|&at| data.get(at..).is_some_and(is_table))?;
                        segment.vaddr.checked_add(u64::try_from(at).ok()?)
                    })
            })
    }

    /// Reads the start of the text that the header states; 0 since go1.26.
    pub(crate) fn stated_text(image: &Image<'_>, address: u64) -> Option<u64> {
        match generation(image.tail(address)?)? {
            Generation::Absolute => None,
            Generation::Relative => image
                .word(address.checked_add(24)?)
                .filter(|&text| text != 0),
        }
    }

    /// Reads the header at `address`; `text` is where relative entries count from.
    pub(crate) fn parse(
        image: &Image<'d>,
        address: u64,
        text: Option<u64>,
    ) -> Result<Self, Reason> {
        let malformed = |at: usize| Reason::Malformed {
            section: ".gopclntab",
            offset: at as u64,
        };
        let data = image.tail(address).unwrap_or_default();
        let header = Header::read(data).ok_or_else(|| malformed(0))?;
        let text = match header.generation {
            Generation::Absolute => 0,
            Generation::Relative => text.ok_or(Reason::NoTextStart)?,
        };
        if header.rows as usize > MAX_FUNCTIONS {
            return Err(Reason::Limit {
                what: "functions",
                limit: MAX_FUNCTIONS as u64,
            });
        }
        let trim = image.machine == Machine::Amd64;
        let table = Self {
            address,
            data,
            header,
            text,
            trim,
            names: OnceLock::new(),
        };
        // One more row than functions ends the table.
        table
            .row_start(image, header.rows)
            .ok_or_else(|| malformed(header.rows_at))?;
        Ok(table)
    }

    /// Finds the body that follows the register calling convention under this name.
    ///
    /// A Go function called from assembly, and an assembly function called from Go, appear twice: the
    /// wrapper between the conventions has the same name here.
    pub(crate) fn function(&self, image: &Image<'_>, name: &str) -> Result<Function, Reason> {
        let index = self
            .names
            .get_or_init(|| NameIndex::build(self.all_names(), &image.budget))
            .as_ref()
            .map_err(Reason::clone)?;
        let candidates = index
            .candidates(name.as_bytes())
            .filter(|&row| self.name(row) == Some(name.as_bytes()));
        let rows: Vec<(u32, Body)> = candidates.map(|row| (row, self.body(row))).collect();
        let row = choose(&rows)?;
        let address = self.row_start(image, row).ok_or(Reason::NotFound)?;
        if !image.is_code(address) {
            return Err(Reason::OutsideCode { address });
        }
        let size = self.size(image, row).ok_or(Reason::NotFound)?;
        Ok(Function {
            name: name.to_owned(),
            address,
            size,
            provenance: Provenance::Pclntab,
        })
    }

    /// Finds the function that covers `address`.
    pub(crate) fn function_at(&self, image: &Image<'_>, address: u64) -> Option<Function> {
        let row = self.row_before(image, address)?;
        let start = self.row_start(image, row)?;
        let size = self.size(image, row)?;
        let name = String::from_utf8_lossy(self.name(row)?).into_owned();
        let covered = address.checked_sub(start)? < size;
        covered.then_some(Function {
            name,
            address: start,
            size,
            provenance: Provenance::Pclntab,
        })
    }

    /// Says whether a function of this name prefix exists.
    pub(crate) fn any_function(&self, prefix: &[u8]) -> bool {
        let starts = |row| {
            let name = self.name_at(row).and_then(|at| self.data.get(at..));
            name.is_some_and(|name| name.starts_with(prefix))
        };
        (0..self.header.rows).any(starts)
    }

    /// Lists the functions whose name satisfies `matches`.
    pub(crate) fn functions_where(
        &self,
        image: &Image<'_>,
        matches: impl Fn(&str) -> bool,
    ) -> Vec<Function> {
        let named = self.all_names().filter_map(|(row, name)| {
            let name = str::from_utf8(name?).ok().filter(|name| matches(name))?;
            Some(Function {
                name: name.to_owned(),
                address: self.row_start(image, row)?,
                size: self.size(image, row)?,
                provenance: Provenance::Pclntab,
            })
        });
        named.collect()
    }

    fn all_names(&self) -> impl Iterator<Item = (u32, Option<&'d [u8]>)> {
        (0..self.header.rows).map(|row| (row, self.name(row)))
    }

    /// Finds the last row that starts at or before `address`.
    fn row_before(&self, image: &Image<'_>, address: u64) -> Option<u32> {
        let (mut low, mut high) = (0, self.header.rows);
        while low < high {
            let middle = low.midpoint(high);
            if self.row_start(image, middle)? <= address {
                low = middle.checked_add(1)?;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }

    fn row_start(&self, image: &Image<'_>, row: u32) -> Option<u64> {
        let at = self.row_at(row)?;
        match self.header.generation {
            Generation::Relative => self
                .text
                .checked_add(u64::from(bytes::u32_at(self.data, at)?)),
            // The loader relocates these words in position-independent files.
            Generation::Absolute => image.word(self.address.checked_add(u64::try_from(at).ok()?)?),
        }
    }

    fn row_at(&self, row: u32) -> Option<usize> {
        let width = if self.header.generation == Generation::Absolute {
            16
        } else {
            8
        };
        usize::try_from(row)
            .ok()?
            .checked_mul(width)?
            .checked_add(self.header.rows_at)
    }

    /// Measures the body up to the next function, without the padding before it.
    fn size(&self, image: &Image<'_>, row: u32) -> Option<u64> {
        let start = self.row_start(image, row)?;
        let end = self.row_start(image, row.checked_add(1)?)?;
        let length = end.checked_sub(start)?;
        let body = image.bytes(start, length).filter(|_| self.trim);
        let Some(body) = body else {
            return Some(length);
        };
        u64::try_from(padding::body_length(body)).ok()
    }

    /// Finds the row's record: entry, then name, arguments, pc tables.
    fn record(&self, row: u32) -> Option<usize> {
        let at = self.row_at(row)?;
        let offset = match self.header.generation {
            Generation::Relative => u64::from(bytes::u32_at(self.data, at.checked_add(4)?)?),
            Generation::Absolute => bytes::u64_at(self.data, at.checked_add(8)?)?,
        };
        let entry_width = if self.header.generation == Generation::Absolute {
            8
        } else {
            4
        };
        self.header
            .rows_at
            .checked_add(usize::try_from(offset).ok()?)?
            .checked_add(entry_width)
    }

    fn record_field(&self, row: u32, at: usize) -> Option<u32> {
        bytes::u32_at(self.data, self.record(row)?.checked_add(at)?)
    }

    fn name(&self, row: u32) -> Option<&'d [u8]> {
        bytes::c_str(self.data, self.name_at(row)?, MAX_NAME)
    }

    fn name_at(&self, row: u32) -> Option<usize> {
        let offset = usize::try_from(self.record_field(row, 0)?).ok()?;
        self.header.names_at.checked_add(offset)
    }

    fn body(&self, row: u32) -> Body {
        match self.file(row) {
            Some(b"<autogenerated>") => Body::Wrapper,
            Some(file) if file.ends_with(b".s") => Body::Assembly,
            _ => Body::Go,
        }
    }

    /// Reads the source file of the first instruction: the first value of the row's file table.
    fn file(&self, row: u32) -> Option<&'d [u8]> {
        let table = usize::try_from(self.record_field(row, 16)?).ok()?;
        let unit = usize::try_from(self.record_field(row, 28)?).ok()?;
        // Tables start from -1 and hold zigzag deltas.
        let (delta, _) = bytes::varint(self.data, self.header.pcs_at.checked_add(table)?)?;
        let number = usize::try_from((delta >> 1).checked_sub(1)?)
            .ok()
            .filter(|_| delta & 1 == 0)?;
        let at = unit
            .checked_add(number)?
            .checked_mul(4)?
            .checked_add(self.header.units_at)?;
        let offset = usize::try_from(bytes::u32_at(self.data, at)?).ok()?;
        bytes::c_str(
            self.data,
            self.header.files_at.checked_add(offset)?,
            MAX_NAME,
        )
    }
}

/// Reads the magic, and the bytes that follow it in every real table.
fn generation(data: &[u8]) -> Option<Generation> {
    let (magic, zero) = (bytes::u32_at(data, 0)?, bytes::u16_at(data, 4)?);
    let (quantum, pointer) = (bytes::u8_at(data, 6)?, bytes::u8_at(data, 7)?);
    if zero != 0 || !matches!(quantum, 1 | 4) || pointer != 8 {
        return None;
    }
    match magic {
        0xffff_fffa => Some(Generation::Absolute),
        0xffff_fff0 | 0xffff_fff1 => Some(Generation::Relative),
        _ => None,
    }
}

/// Chooses the row whose arguments are in registers among the rows of one name.
fn choose(rows: &[(u32, Body)]) -> Result<u32, Reason> {
    let of = |wanted: Body| {
        rows.iter()
            .filter(move |&&(_, body)| body == wanted)
            .map(|&(row, _)| row)
    };
    let (go, assembly, wrappers) = (
        of(Body::Go).count(),
        of(Body::Assembly).count(),
        of(Body::Wrapper).count(),
    );
    let chosen = match (go, assembly, wrappers) {
        (0, 0, 0) => return Err(Reason::NotFound),
        // A Go body, alone or with the wrapper through which assembly calls it.
        (1, 0, 0 | 1) => of(Body::Go).next(),
        // A generated method, or the wrapper through which Go calls assembly.
        (0, 0 | 1, 1) => of(Body::Wrapper).next(),
        (0, 1, 0) => return Err(Reason::Assembly),
        _ => None,
    };
    chosen.ok_or(Reason::Ambiguous { count: rows.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_register_body_is_chosen() {
        assert_eq!(choose(&[]), Err(Reason::NotFound));
        assert_eq!(choose(&[(1, Body::Go)]), Ok(1));
        assert_eq!(choose(&[(1, Body::Wrapper), (2, Body::Go)]), Ok(2));
        assert_eq!(choose(&[(1, Body::Assembly), (2, Body::Wrapper)]), Ok(2));
        assert_eq!(choose(&[(1, Body::Assembly)]), Err(Reason::Assembly));
        assert_eq!(
            choose(&[(1, Body::Go), (2, Body::Go)]),
            Err(Reason::Ambiguous { count: 2 })
        );
    }

    #[test]
    fn magics_of_other_generations_are_refused() {
        let header = |magic: u32| [&magic.to_le_bytes()[..], &[0, 0, 1, 8]].concat();
        assert_eq!(generation(&header(0xffff_fff1)), Some(Generation::Relative));
        assert_eq!(generation(&header(0xffff_fffa)), Some(Generation::Absolute));
        assert_eq!(generation(&header(0xffff_fffb)), None);
        assert_eq!(generation(&header(0xffff_fff1)[..7]), None);
    }
}
