//! Struct definitions in debugging information, versions 4 and 5.
//!
//! Location lists, line tables and ranges are never expanded.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAbbrevOffset, DebugInfo, DebugInfoOffset,
    DebugLineStr, DebugStr, EndianSlice, EntriesRaw, LittleEndian, UnitHeader, UnitOffset,
    constants as dw,
};

use super::{Found, RawField, RawStruct, TypeSource};
use crate::budget::{Budget, MAX_ABBREVIATIONS, MAX_UNITS};
use crate::error::Reason;
use crate::expand::{Content, debug_section};
use crate::fact::Provenance;
use crate::image::Image;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
const INFO: &str = ".debug_info";
/// Longest chain of names for one type.
const MAX_TYPEDEFS: usize = 16;

/// The expanded sections; freed when the questions are answered.
#[derive(Debug)]
pub(crate) struct Sections<'d> {
    info: Content<'d>,
    abbrev: Content<'d>,
    strings: Content<'d>,
    line_strings: Content<'d>,
}

impl<'d> Sections<'d> {
    /// Expands what is needed; `None` when the binary has no debugging information.
    pub(crate) fn expand(image: &Image<'d>) -> Result<Option<Self>, Reason> {
        let info = debug_section(image, INFO, u64::MAX)?;
        if info.bytes().is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            info,
            abbrev: debug_section(image, ".debug_abbrev", MAX_ABBREVIATIONS)?,
            strings: debug_section(image, ".debug_str", u64::MAX)?,
            line_strings: debug_section(image, ".debug_line_str", u64::MAX)?,
        }))
    }

    /// Reads all unit headers, in the order of the file.
    fn headers(&self) -> Result<Vec<UnitHeader<Slice<'_>>>, Reason> {
        let info = DebugInfo::new(self.info.bytes(), LittleEndian);
        let mut units = info.units();
        let mut headers = Vec::new();
        let mut end = 0;
        while let Some(header) = units.next().map_err(|_cause| malformed(end))? {
            if headers.len() >= MAX_UNITS {
                return Err(Reason::Limit {
                    what: "units",
                    limit: MAX_UNITS as u64,
                });
            }
            end = start_of(&header).saturating_add(header.length_including_self());
            headers.push(header);
        }
        Ok(headers)
    }

    /// Reads each table of abbreviations once; all units of a Go program share one.
    ///
    /// A table ends where the next one begins, so that no byte is read for two of them.
    fn abbreviations(
        &self,
        headers: &[UnitHeader<Slice<'_>>],
    ) -> HashMap<usize, Arc<Abbreviations>> {
        let offset = |header: &UnitHeader<Slice<'_>>| header.debug_abbrev_offset().0;
        let starts: BTreeSet<usize> = headers.iter().map(offset).collect();
        let mut ends = starts
            .iter()
            .copied()
            .skip(1)
            .chain([self.abbrev.bytes().len()]);
        let mut tables = HashMap::new();
        for &start in &starts {
            let window = ends
                .next()
                .and_then(|end| self.abbrev.bytes().get(..end))
                .unwrap_or_default();
            let section = DebugAbbrev::new(window, LittleEndian);
            // Units of an unreadable table are passed over.
            if let Ok(table) = section.abbreviations(DebugAbbrevOffset(start)) {
                tables.insert(start, Arc::new(table));
            }
        }
        tables
    }
}

/// A unit written by the Go toolchain.
#[derive(Debug)]
struct Unit<'a> {
    start: usize,
    header: UnitHeader<Slice<'a>>,
    abbreviations: Arc<Abbreviations>,
}

/// Debugging information with the places of its Go units.
#[derive(Debug)]
pub(crate) struct Dwarf<'a> {
    units: Vec<Unit<'a>>,
    strings: DebugStr<Slice<'a>>,
    line_strings: DebugLineStr<Slice<'a>>,
}

impl<'a> Dwarf<'a> {
    /// Finds the wanted structs in one pass over the top level of all Go units.
    pub(crate) fn search(
        sections: &'a Sections<'_>,
        wanted: &[&str],
        budget: &Budget,
    ) -> Result<(Self, Found), Reason> {
        let headers = sections.headers()?;
        let tables = sections.abbreviations(&headers);
        let units = headers.into_iter().filter_map(|header| {
            let abbreviations = Arc::clone(tables.get(&header.debug_abbrev_offset().0)?);
            Some(Unit {
                start: start_of(&header),
                header,
                abbreviations,
            })
        });
        let dwarf = Self {
            units: units.filter(|unit| is_go(unit).unwrap_or(false)).collect(),
            strings: DebugStr::new(sections.strings.bytes(), LittleEndian),
            line_strings: DebugLineStr::new(sections.line_strings.bytes(), LittleEndian),
        };
        let mut found: Found = wanted
            .iter()
            .map(|&name| (name.to_owned(), Vec::new()))
            .collect();
        for unit in &dwarf.units {
            dwarf
                .scan(unit, &mut found, budget)
                .map_err(|stop| stop.at(unit.start))?;
        }
        Ok((dwarf, found))
    }

    /// Notes where the top level of a unit defines a wanted struct.
    fn scan(&self, unit: &Unit<'a>, found: &mut Found, budget: &Budget) -> Result<(), Stop> {
        let mut entries = unit.header.entries_raw(&unit.abbreviations, None)?;
        while !entries.is_empty() {
            budget.steps(1)?;
            let (depth, offset) = (entries.next_depth(), entries.next_offset());
            let Some(entry) = entries.read_abbreviation()? else {
                continue;
            };
            if depth != 1 || entry.tag() != dw::DW_TAG_structure_type {
                entries.skip_attributes(entry.attributes())?;
                continue;
            }
            for &attribute in entry.attributes() {
                let attribute = entries.read_attribute(attribute)?;
                if attribute.name() == dw::DW_AT_name
                    && let Some(keys) = self
                        .text(&attribute.value())
                        .and_then(|name| found.get_mut(name))
                {
                    keys.push(unit.start.saturating_add(offset.0) as u64);
                }
            }
        }
        Ok(())
    }

    /// Reads an entry of any kind of type: a struct, another name for one, or something else.
    fn read_type(&self, key: u64, budget: &Budget) -> Result<Type, Reason> {
        let torn = || malformed(usize::try_from(key).unwrap_or(usize::MAX));
        let (unit, offset) = self.unit_of(key).ok_or_else(torn)?;
        let mut entries = unit
            .header
            .entries_raw(&unit.abbreviations, Some(offset))
            .map_err(|_cause| torn())?;
        self.read_entry(unit, &mut entries, budget)
            .map_err(|error| error.at(unit.start))
    }

    fn read_entry(
        &self,
        unit: &Unit<'a>,
        entries: &mut EntriesRaw<'_, Slice<'a>>,
        budget: &Budget,
    ) -> Result<Type, Stop> {
        let Some(entry) = entries.read_abbreviation()? else {
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
                dw::DW_AT_type => target = reference(unit, &attribute.value()),
                _ => {}
            }
        }
        match entry.tag() {
            dw::DW_TAG_typedef => Ok(target.map_or(Type::Other, Type::Name)),
            dw::DW_TAG_structure_type => {
                let fields = if entry.has_children() {
                    self.read_fields(unit, entries, budget)?
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
        budget: &Budget,
    ) -> Result<Vec<RawField>, Stop> {
        let mut fields = Vec::new();
        let members = entries.next_depth();
        while entries.next_depth() >= members && !entries.is_empty() {
            budget.steps(1)?;
            let depth = entries.next_depth();
            let Some(entry) = entries.read_abbreviation()? else {
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
                    dw::DW_AT_name => name = self.text(&attribute.value()),
                    dw::DW_AT_data_member_location => offset = attribute.udata_value(),
                    dw::DW_AT_type => ty = reference(unit, &attribute.value()),
                    _ => {}
                }
            }
            // A member whose place is not a plain number has no known offset and is left out.
            if let (Some(name), Some(offset)) =
                (name, offset.and_then(|offset| u32::try_from(offset).ok()))
            {
                budget.keep(RawField::cost(name))?;
                let name = name.to_owned();
                fields.push(RawField { name, offset, ty });
            }
        }
        Ok(fields)
    }

    fn unit_of(&self, key: u64) -> Option<(&Unit<'a>, UnitOffset)> {
        let key = usize::try_from(key).ok()?;
        let before = self
            .units
            .partition_point(|unit| unit.start <= key)
            .checked_sub(1)?;
        let unit = self.units.get(before)?;
        let offset = DebugInfoOffset(key).to_unit_offset(&unit.header)?;
        Some((unit, offset))
    }

    fn text(&self, value: &AttributeValue<Slice<'a>>) -> Option<&'a str> {
        let text = match *value {
            AttributeValue::String(text) => text,
            AttributeValue::DebugStrRef(offset) => self.strings.get_str(offset).ok()?,
            AttributeValue::DebugLineStrRef(offset) => self.line_strings.get_str(offset).ok()?,
            _ => return None,
        };
        std::str::from_utf8(text.slice()).ok()
    }
}

impl TypeSource for Dwarf<'_> {
    fn structure(&self, key: u64, budget: &Budget) -> Result<Option<RawStruct>, Reason> {
        let mut key = key;
        for _ in 0..MAX_TYPEDEFS {
            match self.read_type(key, budget)? {
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
        let unit = keys.first().and_then(|&key| self.unit_of(key));
        if unit.is_some_and(|(unit, _)| unit.header.version() >= 5) {
            Provenance::Dwarf5
        } else {
            Provenance::Dwarf4
        }
    }
}

/// What an entry turned out to be.
enum Type {
    Struct(RawStruct),
    Name(u64),
    Other,
}

fn reference(unit: &Unit<'_>, value: &AttributeValue<Slice<'_>>) -> Option<u64> {
    match *value {
        AttributeValue::DebugInfoRef(offset) => u64::try_from(offset.0).ok(),
        AttributeValue::UnitRef(offset) => u64::try_from(unit.start.checked_add(offset.0)?).ok(),
        _ => None,
    }
}

/// Reads the language that the first entry of a unit states.
fn is_go(unit: &Unit<'_>) -> Result<bool, Stop> {
    let mut entries = unit.header.entries_raw(&unit.abbreviations, None)?;
    let Some(root) = entries.read_abbreviation()? else {
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

fn start_of(header: &UnitHeader<Slice<'_>>) -> usize {
    header
        .debug_info_offset()
        .map_or(usize::MAX, |offset| offset.0)
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

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Limit(reason)
    }
}
