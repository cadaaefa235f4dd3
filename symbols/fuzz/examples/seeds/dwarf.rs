//! A unit of debugging information with some structs and what they hold.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, Result};
use gimli::{
    AttributeValue, DebugAbbrev, DebugInfo, DebugInfoOffset, EndianSlice, LittleEndian, UnitHeader,
    UnitOffset, constants as dw,
};
use symbols_fuzz::parts::join;

use crate::program::{Program, set};

type Slice<'d> = EndianSlice<'d, LittleEndian>;

/// Structs kept with the types of their fields.
const STRUCTS: [&str; 5] = [
    "os.File",
    "os.file",
    "sync.Mutex",
    "internal/abi.Type",
    "runtime.gobuf",
];
/// Types kept beside the structs.
const MOST_TYPES: usize = 60;

/// The entry of a type: its bytes, and where in them others are referred to.
struct Entry<'d> {
    bytes: &'d [u8],
    references: Vec<(usize, usize)>,
}

pub(crate) fn cut(program: &Program<'_>) -> Result<Vec<u8>> {
    let info = program.section(".debug_info")?;
    let abbrev = program.section(".debug_abbrev")?;
    let section = DebugInfo::new(info, LittleEndian);
    let mut found = BTreeMap::new();
    let mut units = section.units();
    let mut home = None;
    while let Some(header) = units.next()? {
        let entries = types(&header, info, abbrev)?;
        if entries.values().any(|(name, _)| *name == "runtime.gobuf") {
            home = Some(header);
        }
        found.extend(entries);
    }
    let home = home.context("no unit has types")?;
    let named = found.iter().filter(|(_, (name, _))| STRUCTS.contains(name));
    let mut todo: VecDeque<usize> = named.map(|(&offset, _)| offset).collect();
    let (mut unit, root) = unit_start(&home, info, abbrev)?;
    let mut moved = BTreeMap::new();
    let mut holes = Vec::new();
    while let Some(offset) = todo.pop_front() {
        let Some((_, entry)) = found.get(&offset) else {
            continue;
        };
        if moved.contains_key(&offset) || moved.len() >= MOST_TYPES {
            continue;
        }
        moved.insert(offset, unit.len());
        for &(at, target) in &entry.references {
            holes.push((unit.len() + at, target));
            todo.push_back(target);
        }
        unit.extend(entry.bytes);
    }
    for (at, target) in holes {
        // What was left behind is another type to its users: the unit itself.
        let target = moved.get(&target).copied().unwrap_or(root);
        set(&mut unit, at, &(target as u32).to_le_bytes())?;
    }
    unit.push(0);
    let length = unit.len() as u32 - 4;
    set(&mut unit, 0, &length.to_le_bytes())?;
    Ok(join(&[&program.build(), &unit, abbrev, b"", b""]))
}

/// Copies the header and the first entry of a unit; answers where the entry begins, too.
fn unit_start(
    header: &UnitHeader<Slice<'_>>,
    info: &[u8],
    abbrev: &[u8],
) -> Result<(Vec<u8>, usize)> {
    let table = header.abbreviations(&DebugAbbrev::new(abbrev, LittleEndian))?;
    let mut entries = header.entries_raw(&table, None)?;
    let begins = entries.next_offset().0;
    let root = entries.read_abbreviation()?.context("a unit is empty")?;
    entries.skip_attributes(root.attributes())?;
    let start = start_of(header)?;
    let bytes = info
        .get(start..start + entries.next_offset().0)
        .context("a unit ends outside")?;
    Ok((bytes.to_vec(), begins))
}

fn start_of(header: &UnitHeader<Slice<'_>>) -> Result<usize> {
    Ok(header.debug_info_offset().context("no type unit")?.0)
}

/// Reads the top level of a unit: entries by offset, with their names.
fn types<'d>(
    header: &UnitHeader<Slice<'d>>,
    info: &'d [u8],
    abbrev: &'d [u8],
) -> Result<BTreeMap<usize, (&'d str, Entry<'d>)>> {
    let start = start_of(header)?;
    let table = header.abbreviations(&DebugAbbrev::new(abbrev, LittleEndian))?;
    let mut entries = header.entries_raw(&table, None)?;
    let mut found = BTreeMap::new();
    let mut open: Option<(usize, &str, Vec<(usize, usize)>, bool)> = None;
    while !entries.is_empty() {
        let (depth, offset) = (entries.next_depth(), entries.next_offset().0);
        if depth <= 1 {
            if let Some((from, name, references, true)) = open.take() {
                let bytes = info
                    .get(start + from..start + offset)
                    .context("an entry ends outside")?;
                found.insert(start + from, (name, Entry { bytes, references }));
            }
        }
        let Some(entry) = entries.read_abbreviation()? else {
            continue;
        };
        let is_type = matches!(
            entry.tag(),
            dw::DW_TAG_structure_type
                | dw::DW_TAG_typedef
                | dw::DW_TAG_base_type
                | dw::DW_TAG_array_type
        );
        if depth == 1 {
            open = Some((offset, "", Vec::new(), is_type));
        }
        for &attribute in entry.attributes() {
            let at = entries.next_offset().0;
            let value = entries.read_attribute(attribute)?;
            let Some((from, name, references, _)) = open.as_mut() else {
                continue;
            };
            match (value.name(), value.value()) {
                (dw::DW_AT_name, AttributeValue::String(text)) if depth == 1 => {
                    *name = std::str::from_utf8(text.slice())?;
                }
                (dw::DW_AT_type, AttributeValue::DebugInfoRef(DebugInfoOffset(target))) => {
                    references.push((at - *from, target));
                }
                (dw::DW_AT_type, AttributeValue::UnitRef(UnitOffset(target))) => {
                    references.push((at - *from, start + target));
                }
                _ => {}
            }
        }
    }
    Ok(found)
}
