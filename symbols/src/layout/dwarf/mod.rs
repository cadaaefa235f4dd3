//! Struct definitions in debugging information, versions 4 and 5.
//!
//! One pass over all entries finds the wanted structs. Go's linker puts every type into one unit, that of
//! the runtime, but a file may carry several definitions of a name, so the pass never ends early.

mod sections;
mod unit;

use std::cell::RefCell;
use std::collections::HashMap;

use gimli::{
    Abbreviation, AttributeValue, DebugInfoOffset, EndianSlice, EntriesRaw, LittleEndian,
    UnitOffset, constants as dw,
};

pub(crate) use sections::Sections;
use unit::{LastTable, Unit};

use super::{Found, KEY_BYTES, RawField, RawStruct, TypeSource};
use crate::budget::{Allowance, Exhausted, MAX_NAME, MAX_UNITS};
use crate::error::Reason;
use crate::fact::Provenance;
use crate::image::Image;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
const INFO: &str = ".debug_info";
const ABBREV: &str = ".debug_abbrev";
const WORK: &str = "attributes for the size of the debugging information";
/// Longest chain of names for one type.
const MAX_TYPEDEFS: usize = 16;

/// Debugging information with the places of its Go units.
#[derive(Debug)]
pub(crate) struct Dwarf<'a, 'd> {
    image: &'a Image<'d>,
    sections: &'a Sections<'d>,
    tables: RefCell<LastTable<'a>>,
    /// Where Go units start, in order.
    units: Vec<usize>,
}

impl<'a, 'd> Dwarf<'a, 'd> {
    /// Finds the wanted structs in one pass over the top level of all Go units.
    pub(crate) fn search(
        image: &'a Image<'d>,
        sections: &'a Sections<'d>,
        wanted: &[&str],
    ) -> Result<(Self, Found), Reason> {
        let mut dwarf = Self {
            image,
            sections,
            tables: RefCell::new(LastTable::new(sections, &image.budget)),
            units: Vec::new(),
        };
        let mut scan = Scan {
            keys: wanted.iter().map(|&name| (name, Vec::new())).collect(),
            answer: image.budget.answer(),
            work: image.budget.allow(WORK, sections.attributes()),
        };
        let mut count = image.budget.allow("units", MAX_UNITS);
        let mut headers = sections.info().units();
        let mut end = 0;
        while let Some(header) = headers.next().map_err(|_cause| malformed(end))? {
            count.spend(1)?;
            let unit = Unit::new(header, sections, &mut dwarf.tables.borrow_mut())?;
            end = unit.start.saturating_add(header.length_including_self());
            let language = dwarf.is_go(&unit, &mut scan.work);
            if language.map_err(|stop| stop.at(unit.start))? {
                dwarf.units.push(unit.start);
                dwarf
                    .scan(&unit, &mut scan)
                    .map_err(|stop| stop.at(unit.start))?;
            }
        }
        let found = scan.keys.into_iter();
        let found = found.map(|(name, keys)| (name.to_owned(), keys)).collect();
        Ok((dwarf, found))
    }

    /// Says whether any of it is of Go code; that of C code alone says nothing of Go's structs.
    pub(crate) fn has_go_units(&self) -> bool {
        !self.units.is_empty()
    }

    /// Reads the language that the first entry of a unit states.
    fn is_go(&self, unit: &Unit<'a>, work: &mut Allowance<'_>) -> Result<bool, Stop> {
        let mut entries = unit.entries(None)?;
        let Some(root) = next_entry(&mut entries, |steps| work.spend(steps))? else {
            return Ok(false);
        };
        for &attribute in root.attributes() {
            let attribute = entries.read_attribute(attribute)?;
            if attribute.name() == dw::DW_AT_language {
                return Ok(attribute.value() == AttributeValue::Language(dw::DW_LANG_Go));
            }
        }
        Ok(false)
    }

    /// Notes where the top level of a unit defines a wanted struct.
    fn scan(&self, unit: &Unit<'a>, scan: &mut Scan<'_, '_>) -> Result<(), Stop> {
        let mut entries = unit.entries(None)?;
        while !entries.is_empty() {
            let (depth, offset) = (entries.next_depth(), entries.next_offset());
            let Some(entry) = next_entry(&mut entries, |steps| scan.work.spend(steps))? else {
                continue;
            };
            if depth != 1 || entry.tag() != dw::DW_TAG_structure_type {
                entries.skip_attributes(entry.attributes())?;
                continue;
            }
            for &attribute in entry.attributes() {
                let attribute = entries.read_attribute(attribute)?;
                if attribute.name() == dw::DW_AT_name
                    && let Some(name) = self.text(&attribute.value())?
                    && let Some(keys) = scan.keys.get_mut(name)
                {
                    scan.answer.spend(KEY_BYTES)?;
                    keys.push(unit.start.saturating_add(offset.0) as u64);
                }
            }
        }
        Ok(())
    }

    /// Reads an entry of any kind of type: a struct, another name for one, or something else.
    fn read_type(&self, key: u64, answer: &mut Allowance<'_>) -> Result<Type, Reason> {
        let torn = || malformed(usize::try_from(key).unwrap_or(usize::MAX));
        let (unit, offset) = self.unit_of(key)?.ok_or_else(torn)?;
        let mut entries = unit.entries(Some(offset)).map_err(|_cause| torn())?;
        self.read_entry(&unit, &mut entries, answer)
            .map_err(|error| error.at(unit.start))
    }

    fn read_entry(
        &self,
        unit: &Unit<'a>,
        entries: &mut EntriesRaw<'_, Slice<'a>>,
        answer: &mut Allowance<'_>,
    ) -> Result<Type, Stop> {
        let Some(entry) = next_entry(entries, |steps| answer.spend(steps))? else {
            return Ok(Type::Other);
        };
        let (mut size, mut target) = (None, None);
        for &attribute in entry.attributes() {
            let attribute = entries.read_attribute(attribute)?;
            match attribute.name() {
                dw::DW_AT_byte_size => {
                    size = attribute
                        .udata_value()
                        .and_then(|size| u32::try_from(size).ok())
                }
                dw::DW_AT_type => target = unit.reference(&attribute.value()),
                _ => {}
            }
        }
        match entry.tag() {
            dw::DW_TAG_typedef => Ok(target.map_or(Type::Other, Type::Name)),
            dw::DW_TAG_structure_type => {
                let fields = if entry.has_children() {
                    self.read_fields(unit, entries, answer)?
                } else {
                    Vec::new()
                };
                Ok(size.map_or(Type::Other, |size| Type::Struct(RawStruct { size, fields })))
            }
            _ => Ok(Type::Other),
        }
    }

    fn read_fields(
        &self,
        unit: &Unit<'a>,
        entries: &mut EntriesRaw<'_, Slice<'a>>,
        answer: &mut Allowance<'_>,
    ) -> Result<Vec<RawField>, Stop> {
        let mut fields = Vec::new();
        let members = entries.next_depth();
        while entries.next_depth() >= members && !entries.is_empty() {
            let depth = entries.next_depth();
            let Some(entry) = next_entry(entries, |steps| answer.spend(steps))? else {
                continue;
            };
            if depth != members || entry.tag() != dw::DW_TAG_member {
                entries.skip_attributes(entry.attributes())?;
                continue;
            }
            let (mut name, mut offset, mut ty) = (None, None, None);
            for &attribute in entry.attributes() {
                let attribute = entries.read_attribute(attribute)?;
                match attribute.name() {
                    dw::DW_AT_name => name = self.text(&attribute.value())?,
                    dw::DW_AT_data_member_location => offset = attribute.udata_value(),
                    dw::DW_AT_type => ty = unit.reference(&attribute.value()),
                    _ => {}
                }
            }
            // A member whose place is not a plain number has no known offset and is left out.
            if let (Some(name), Some(offset)) =
                (name, offset.and_then(|offset| u32::try_from(offset).ok()))
            {
                answer.spend(RawField::cost(name))?;
                let name = name.to_owned();
                fields.push(RawField { name, offset, ty });
            }
        }
        Ok(fields)
    }

    /// Finds the Go unit that an entry is in.
    fn unit_of(&self, key: u64) -> Result<Option<(Unit<'a>, UnitOffset)>, Reason> {
        let key = usize::try_from(key).unwrap_or(usize::MAX);
        let before = self.units.partition_point(|&start| start <= key);
        let before = before
            .checked_sub(1)
            .and_then(|before| self.units.get(before));
        let Some(&start) = before else {
            return Ok(None);
        };
        let header = self.sections.header(start)?;
        let unit = Unit::new(header, self.sections, &mut self.tables.borrow_mut())?;
        let offset = DebugInfoOffset(key).to_unit_offset(&unit.header);
        Ok(offset.map(|offset| (unit, offset)))
    }

    /// Reads a name; one that is too long or no text has no meaning here.
    fn text<'t>(&self, value: &AttributeValue<Slice<'t>>) -> Result<Option<&'t str>, Reason>
    where
        'a: 't,
    {
        let text = match *value {
            AttributeValue::String(text) => str::from_utf8(text.slice()).ok(),
            AttributeValue::DebugStrRef(at) => self.sections.string(self.image, at.0)?,
            AttributeValue::DebugLineStrRef(at) => self.sections.line_string(self.image, at.0)?,
            _ => None,
        };
        // A text that has no end was searched for it.
        let searched = match value {
            AttributeValue::DebugStrRef(_) | AttributeValue::DebugLineStrRef(_) => MAX_NAME,
            _ => 0,
        };
        self.image.budget.name(text.map_or(searched, str::len))?;
        Ok(text)
    }
}

impl TypeSource for Dwarf<'_, '_> {
    fn structure(&self, key: u64, answer: &mut Allowance<'_>) -> Result<Option<RawStruct>, Reason> {
        let mut key = key;
        for _ in 0..MAX_TYPEDEFS {
            match self.read_type(key, answer)? {
                Type::Name(target) => key = target,
                Type::Struct(raw) => return Ok(Some(raw)),
                Type::Other => return Ok(None),
            }
        }
        Ok(None)
    }

    fn missing(&self) -> Reason {
        Reason::NotFound
    }

    fn provenance(&self, keys: &[u64]) -> Provenance {
        let unit = keys
            .first()
            .and_then(|&key| self.unit_of(key).ok().flatten());
        if unit.is_some_and(|(unit, _)| unit.header.version() >= 5) {
            Provenance::Dwarf5
        } else {
            Provenance::Dwarf4
        }
    }
}

/// Reads the shape of an entry and spends the work of reading its attributes, which may take no bytes.
fn next_entry<'t>(
    entries: &mut EntriesRaw<'t, Slice<'_>>,
    spend: impl FnOnce(u64) -> Result<(), Exhausted>,
) -> Result<Option<&'t Abbreviation>, Stop> {
    let entry = entries.read_abbreviation()?;
    let attributes = entry.map_or(0, |entry| entry.attributes().len());
    spend((attributes as u64).saturating_add(1))?;
    Ok(entry)
}

/// Where the wanted structs were found so far.
struct Scan<'w, 'b> {
    keys: HashMap<&'w str, Vec<u64>>,
    answer: Allowance<'b>,
    work: Allowance<'b>,
}

/// What an entry turned out to be.
enum Type {
    Struct(RawStruct),
    Name(u64),
    Other,
}

fn malformed(offset: usize) -> Reason {
    Reason::Malformed {
        section: INFO,
        offset: offset as u64,
    }
}

/// Ends a pass: the bytes are wrong or the budget is spent.
enum Stop {
    Bytes,
    Limit(Reason),
}

impl Stop {
    fn at(self, unit: usize) -> Reason {
        match self {
            Self::Bytes => malformed(unit),
            Self::Limit(reason) => reason,
        }
    }
}

impl From<gimli::Error> for Stop {
    fn from(_cause: gimli::Error) -> Self {
        Self::Bytes
    }
}

impl From<Exhausted> for Stop {
    fn from(exhausted: Exhausted) -> Self {
        Self::Limit(exhausted.into())
    }
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Limit(reason)
    }
}
