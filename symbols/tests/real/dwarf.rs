//! An independent reading of debugging information: which calls were inlined where.

use std::collections::BTreeMap;

use gimli::{AttributeValue, DebuggingInformationEntry, EndianSlice, LittleEndian, UnitRef};
use object::{Object as _, ObjectSection as _};

type Reader<'d> = EndianSlice<'d, LittleEndian>;
type Entry<'d> = DebuggingInformationEntry<Reader<'d>>;

/// An inlined call.
#[derive(Debug, Clone)]
pub(crate) struct Inlined {
    /// The function whose copy it is.
    pub(crate) callee: String,
    /// Source file and line of the call.
    pub(crate) call: (String, u32),
    /// How many inlined calls are around it.
    pub(crate) depth: isize,
    /// Its instructions.
    pub(crate) ranges: Vec<(u64, u64)>,
}

/// A function body.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) name: String,
    pub(crate) range: (u64, u64),
    /// A wrapper of the compiler's own, whose inlined calls older releases do not describe.
    pub(crate) wrapper: bool,
    pub(crate) inlined: Vec<Inlined>,
}

/// Lists the bodies of Go functions with what was inlined into them, from uncompressed sections.
pub(crate) fn bodies(data: &[u8]) -> Vec<Body> {
    let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(data).unwrap();
    let load = |id: gimli::SectionId| -> Result<Reader<'_>, gimli::Error> {
        let section = file.section_by_name(id.name());
        let bytes = section.map_or(&[][..], |section| section.data().unwrap());
        Ok(EndianSlice::new(bytes, LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load).unwrap();
    let mut bodies = Vec::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next().unwrap() {
        let unit = dwarf.unit(header).unwrap();
        read_unit(unit.unit_ref(&dwarf), &dwarf, &mut bodies);
    }
    bodies
}

fn read_unit<'d>(
    unit: UnitRef<'_, Reader<'d>>,
    dwarf: &gimli::Dwarf<Reader<'d>>,
    bodies: &mut Vec<Body>,
) {
    let mut entries = unit.entries();
    // Whether the entries that follow belong to the body that was read last.
    let mut inside = false;
    let mut outer = 0;
    while let Some(entry) = entries.next_dfs().unwrap() {
        match entry.tag() {
            gimli::DW_TAG_subprogram => {
                let ranges = ranges(unit, entry);
                inside = ranges.len() == 1;
                outer = entry.depth();
                if inside {
                    bodies.push(Body {
                        name: name(unit, dwarf, entry),
                        range: ranges[0],
                        wrapper: is_wrapper(unit, entry),
                        inlined: Vec::new(),
                    });
                }
            }
            gimli::DW_TAG_inlined_subroutine if inside => {
                let body = bodies.last_mut().unwrap();
                body.inlined.push(Inlined {
                    callee: name(unit, dwarf, entry),
                    call: call(unit, entry),
                    depth: entry.depth() - outer,
                    ranges: ranges(unit, entry),
                });
            }
            _ => {}
        }
    }
}

fn ranges<'d>(unit: UnitRef<'_, Reader<'d>>, entry: &Entry<'d>) -> Vec<(u64, u64)> {
    let mut iter = unit.die_ranges(entry).unwrap();
    let mut ranges = Vec::new();
    while let Some(range) = iter.next().unwrap() {
        if range.begin < range.end {
            ranges.push((range.begin, range.end));
        }
    }
    ranges
}

/// Reads the name of an entry, or of the abstract function it is a copy of.
fn name<'d>(
    unit: UnitRef<'_, Reader<'d>>,
    dwarf: &gimli::Dwarf<Reader<'d>>,
    entry: &Entry<'d>,
) -> String {
    if let Some(value) = entry.attr_value(gimli::DW_AT_name) {
        return unit
            .attr_string(value)
            .unwrap()
            .to_string()
            .unwrap()
            .to_owned();
    }
    match entry.attr_value(gimli::DW_AT_abstract_origin) {
        Some(AttributeValue::UnitRef(offset)) => {
            let origin = unit.entry(offset).unwrap();
            name(unit, dwarf, &origin)
        }
        Some(AttributeValue::DebugInfoRef(offset)) => {
            let mut units = dwarf.units();
            let mut found = None;
            while let Some(header) = units.next().unwrap() {
                if offset.to_unit_offset(&header).is_some() {
                    found = Some(header);
                    break;
                }
            }
            let header = found.expect("the origin is in a unit");
            let local = offset.to_unit_offset(&header).unwrap();
            let other = dwarf.unit(header).unwrap();
            let origin = other.entry(local).unwrap();
            name(other.unit_ref(dwarf), dwarf, &origin)
        }
        other => panic!("an entry without name has the origin {other:?}"),
    }
}

fn call<'d>(unit: UnitRef<'_, Reader<'d>>, entry: &Entry<'d>) -> (String, u32) {
    let number = |name| {
        entry
            .attr(name)
            .and_then(|attribute| attribute.udata_value())
    };
    let line = number(gimli::DW_AT_call_line).unwrap_or(0);
    let file = match entry.attr_value(gimli::DW_AT_call_file) {
        Some(AttributeValue::FileIndex(index)) => index,
        _ => number(gimli::DW_AT_call_file).unwrap_or(0),
    };
    (file_name(unit, file), u32::try_from(line).unwrap())
}

/// Joins the directory and the name of a unit's file.
fn file_name<'d>(unit: UnitRef<'_, Reader<'d>>, number: u64) -> String {
    let program = unit.line_program.as_ref().expect("units have lines");
    let header = program.header();
    let file = header.file(number).expect("the file is listed");
    let text = |value| {
        unit.attr_string(value)
            .unwrap()
            .to_string()
            .unwrap()
            .to_owned()
    };
    let path = text(file.path_name());
    let directory = file.directory(header).map(text).unwrap_or_default();
    if path.starts_with('/') || path.starts_with('<') || directory.is_empty() {
        path
    } else {
        format!("{directory}/{path}")
    }
}

/// Says whether the compiler made the function; go1.17 tells by its file only.
fn is_wrapper<'d>(unit: UnitRef<'_, Reader<'d>>, entry: &Entry<'d>) -> bool {
    let file = match entry.attr_value(gimli::DW_AT_decl_file) {
        Some(AttributeValue::FileIndex(number)) => Some(file_name(unit, number)),
        _ => None,
    };
    entry.attr(gimli::DW_AT_trampoline).is_some() || file.as_deref() == Some("<autogenerated>")
}

/// Counts the copies of each function in each body: (callee, first instruction of the body) to copies.
pub(crate) fn copies(bodies: &[Body]) -> BTreeMap<(String, u64), u32> {
    let mut copies = BTreeMap::new();
    for body in bodies {
        for inlined in &body.inlined {
            let key = (inlined.callee.clone(), body.range.0);
            *copies.entry(key).or_insert(0) += 1;
        }
    }
    copies
}
