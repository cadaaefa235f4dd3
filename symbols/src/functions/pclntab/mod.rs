//! The function table every Go binary carries, stripped or not.
//!
//! # Layout      header, names, compilation units, files, pc tables, then (entry, offset) pairs in address order

mod body;
mod header;
mod place;
mod record;

use std::sync::OnceLock;

use self::body::{Body, Convention, choose, convention};
pub(crate) use self::header::Generation;
use self::header::Header;
pub(crate) use self::record::{Datum, Record};
use super::index::NameIndex;
use super::{names, padding};
use crate::budget::{Budget, Exhausted, MAX_FUNCTIONS, MAX_NAME};
use crate::bytes;
use crate::error::Reason;
use crate::fact::{Function, Provenance};
use crate::image::Image;

/// The function table and the address its entries count from.
#[derive(Debug)]
pub(crate) struct Pclntab<'d> {
    address: u64,
    data: &'d [u8],
    header: Header,
    text: u64,
    names: OnceLock<Result<NameIndex, Reason>>,
}

impl<'d> Pclntab<'d> {
    /// Reads the start of the text that the header states; 0 since go1.26.
    pub(crate) fn stated_text(image: &Image<'_>, address: u64) -> Option<u64> {
        match Header::read(image.tail(address)?)?.generation {
            Generation::Absolute => None,
            Generation::Relative | Generation::StartLines => image
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
            Generation::Relative | Generation::StartLines => text.ok_or(Reason::NoTextStart)?,
        };
        if header.rows as usize > MAX_FUNCTIONS {
            return Err(Reason::Limit {
                what: "functions",
                limit: MAX_FUNCTIONS as u64,
            });
        }
        let table = Self {
            address,
            data,
            header,
            text,
            names: OnceLock::new(),
        };
        // One more row than functions ends the table.
        table
            .row_start(image, header.rows)
            .ok_or_else(|| malformed(header.rows_at))?;
        Ok(table)
    }

    /// Finds the body of this name: the one that takes its arguments in registers, or under `name.abi0`
    /// the one that takes them on the stack.
    pub(crate) fn function(&self, image: &Image<'_>, name: &str) -> Result<Function, Reason> {
        let (base, convention) = convention(name);
        let rows = self.rows_named(image, name)?;
        let row = match rows.as_slice() {
            [] => choose(&self.rows_named(image, base)?, convention)
                .map_err(|reason| self.why_absent(image, name, reason))?,
            // Here `abi0` is the name of a method.
            rows => choose(rows, Convention::Registers)?,
        };
        let address = self.row_start(image, row).ok_or(Reason::NotFound)?;
        if !image.is_code(address) {
            return Err(Reason::OutsideCode { address });
        }
        let size = self.size(image, row)?.ok_or(Reason::NotFound)?;
        let mut name = String::from_utf8_lossy(self.name(row).unwrap_or_default()).into_owned();
        if rows.is_empty() && convention == Convention::Stack {
            name.push_str(".abi0");
        }
        Ok(Function {
            name,
            address,
            size,
            provenance: Provenance::Pclntab,
        })
    }

    /// Up to go1.20 the table leaves type arguments out: it may have the body and not say so.
    fn why_absent(&self, image: &Image<'_>, name: &str, reason: Reason) -> Reason {
        let present = |short: String| {
            !self
                .rows_named(image, &short)
                .unwrap_or_default()
                .is_empty()
        };
        let shortened = names::shortened(name).filter(|short| short != name);
        if reason == Reason::NotFound && shortened.is_some_and(present) {
            return Reason::TypeArguments;
        }
        reason
    }

    /// Lists the rows whose name is one that `name` may stand for.
    fn rows_named(&self, image: &Image<'_>, name: &str) -> Result<Vec<(u32, Body)>, Reason> {
        let index = self.index(image)?;
        let mut rows = Vec::new();
        for spelling in names::spellings(name) {
            let candidates = index.candidates(spelling.as_bytes());
            rows.extend(candidates.filter(|&row| self.name(row) == Some(spelling.as_bytes())));
        }
        if rows.is_empty() && names::is_shortened(name) {
            for (row, full) in self.all_names() {
                image.budget.name(full.map_or(MAX_NAME, <[u8]>::len))?;
                rows.extend(
                    full.filter(|full| names::shortens_to(full, name))
                        .map(|_| row),
                );
            }
        }
        Ok(rows.into_iter().map(|row| (row, self.body(row))).collect())
    }

    /// Finds the function that covers `address`.
    pub(crate) fn function_at(&self, image: &Image<'_>, address: u64) -> Option<Function> {
        let row = self.row_before(image, address)?;
        let start = self.row_start(image, row)?;
        let size = self.size(image, row).ok()??;
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
    pub(crate) fn any_function(&self, prefix: &[u8], budget: &Budget) -> Result<bool, Exhausted> {
        budget.steps(u64::from(self.header.rows))?;
        let starts = |row| {
            let name = self.name_at(row).and_then(|at| self.data.get(at..));
            name.is_some_and(|name| name.starts_with(prefix))
        };
        Ok((0..self.header.rows).any(starts))
    }

    fn index(&self, image: &Image<'_>) -> Result<&NameIndex, Reason> {
        let index = self.names.get_or_init(|| {
            self.check_order(image)?;
            let names = self.all_names();
            NameIndex::build(names, self.length(), &image.budget).map_err(Reason::from)
        });
        index.as_ref().map_err(Reason::clone)
    }

    /// Checks that functions follow each other, as the runtime does when a program starts: where they
    /// overlap, their sizes add up to more than the text.
    fn check_order(&self, image: &Image<'_>) -> Result<(), Reason> {
        image.budget.steps(u64::from(self.header.rows))?;
        let mut before = 0;
        for row in 0..self.header.rows {
            match self.row_start(image, row) {
                Some(start) if start >= before => before = start,
                _ => {
                    return Err(Reason::Malformed {
                        section: ".gopclntab",
                        offset: self.row_at(row).unwrap_or(0) as u64,
                    });
                }
            }
        }
        Ok(())
    }

    /// Answers the length of the table with all that follows it in its segment.
    pub(crate) fn length(&self) -> usize {
        self.data.len()
    }

    /// Lists the functions whose name satisfies `matches`.
    pub(crate) fn functions_where(
        &self,
        image: &Image<'_>,
        matches: impl Fn(&str) -> bool,
    ) -> Result<Vec<Function>, Reason> {
        self.index(image)?;
        let mut answer = image.budget.answer();
        let mut found = Vec::new();
        for (row, name) in self.all_names() {
            image.budget.name(name.map_or(MAX_NAME, <[u8]>::len))?;
            let name = name.and_then(|name| str::from_utf8(name).ok());
            let Some(name) = name.filter(|name| matches(name)) else {
                continue;
            };
            if let (Some(address), Some(size)) =
                (self.row_start(image, row), self.size(image, row)?)
            {
                answer.spend(Function::cost(name.len()))?;
                found.push(Function {
                    name: name.to_owned(),
                    address,
                    size,
                    provenance: Provenance::Pclntab,
                });
            }
        }
        Ok(found)
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
            Generation::Relative | Generation::StartLines => self
                .text
                .checked_add(u64::from(bytes::u32_at(self.data, at)?)),
            // The loader relocates these words in position-independent files.
            Generation::Absolute => image.word(self.address.checked_add(u64::try_from(at).ok()?)?),
        }
    }

    fn row_at(&self, row: u32) -> Option<usize> {
        let width = self.header.generation.entry_width().checked_mul(2)?;
        usize::try_from(row)
            .ok()?
            .checked_mul(width)?
            .checked_add(self.header.rows_at)
    }

    /// Measures the body up to the next function, without the padding before it.
    fn size(&self, image: &Image<'_>, row: u32) -> Result<Option<u64>, Exhausted> {
        let end = row
            .checked_add(1)
            .and_then(|next| self.row_start(image, next));
        let (Some(start), Some(end)) = (self.row_start(image, row), end) else {
            return Ok(None);
        };
        let length = end.checked_sub(start);
        let Some(body) = length.and_then(|length| image.bytes(start, length)) else {
            return Ok(length);
        };
        let length = padding::body_length(body, image.machine, &image.budget)?;
        Ok(Some(length as u64))
    }

    fn name(&self, row: u32) -> Option<&'d [u8]> {
        bytes::c_str(self.data, self.name_at(row)?, MAX_NAME)
    }

    fn name_at(&self, row: u32) -> Option<usize> {
        let offset = usize::try_from(self.record(row)?.name()?).ok()?;
        self.header.names_at.checked_add(offset)
    }

    fn body(&self, row: u32) -> Body {
        match self.record(row).and_then(|record| record.first_file()) {
            Some(b"<autogenerated>") => Body::Wrapper,
            Some(file) if file.ends_with(b".s") => Body::Assembly,
            _ => Body::Go,
        }
    }
}
