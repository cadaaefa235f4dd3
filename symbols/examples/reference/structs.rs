//! Struct definitions of debugging information, read apart from the crate: a second opinion.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use gimli::{
    AttributeValue, DebugAbbrev, DebugInfo, DebugStr, DebuggingInformationEntry, EndianSlice,
    LittleEndian, UnitOffset, UnitSectionOffset,
};
use object::{Object as _, ObjectSection as _};

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Key = UnitSectionOffset<usize>;
type Definitions = HashMap<Key, Definition>;

/// Up to go1.18 the type of this variable has no name.
const NAMED_BY_VARIABLE: (&str, &str) = ("runtime.work", "runtime.workType");

/// An entry that matters: a struct, another name for a type, or a variable's type.
#[derive(Debug, Default)]
struct Definition {
    name: String,
    size: u64,
    fields: Vec<(String, u64, Key)>,
    is_struct: bool,
    names: Option<Key>,
}

/// Adds `struct ID REST` for each wanted struct and those inside it, and `root NAME ID` for the wanted;
/// answers the ids of the wanted.
pub(crate) fn write(
    data: &[u8],
    wanted: &[&str],
    lines: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let (definitions, work) = read(data)?;
    let mut roots = BTreeMap::new();
    for (&key, definition) in &definitions {
        if definition.is_struct && wanted.contains(&definition.name.as_str()) {
            roots.insert(definition.name.as_str(), key);
        }
    }
    if let Some(key) = work
        && wanted.contains(&NAMED_BY_VARIABLE.1)
    {
        roots.entry(NAMED_BY_VARIABLE.1).or_insert(key);
    }
    let mut written = Written {
        definitions: &definitions,
        ids: HashMap::new(),
        lines,
    };
    let mut ids = BTreeMap::new();
    for (name, key) in roots {
        let id = written.id(key, name).ok_or("a root is a struct")?;
        written.lines.push(format!("root {name} {id}"));
        ids.insert(name.to_owned(), id);
    }
    Ok(ids)
}

/// The structs written so far.
struct Written<'a> {
    definitions: &'a Definitions,
    ids: HashMap<Key, String>,
    lines: &'a mut Vec<String>,
}

impl Written<'_> {
    /// Writes a struct after those inside it; `None` for other types.
    fn id(&mut self, key: Key, name: &str) -> Option<String> {
        let definition = self.definitions.get(&key)?;
        if let Some(target) = definition.names {
            return self.id(target, name);
        }
        if !definition.is_struct {
            return None;
        }
        if let Some(id) = self.ids.get(&key) {
            return Some(id.clone());
        }
        // Names of structs without one are their source, with blanks.
        let name = Some(name)
            .filter(|name| !name.is_empty())
            .unwrap_or(&definition.name);
        let name = if name.contains([' ', ':']) { "-" } else { name };
        let mut rest = format!("{name} {}", definition.size);
        for (field, offset, ty) in &definition.fields {
            if field == "_" {
                continue;
            }
            rest += &format!(" {field}:{offset}");
            if let Some(id) = self.id(*ty, "") {
                rest += &format!(":{id}");
            }
        }
        let id = symbols::reference::row_id(&rest);
        self.lines.push(format!("struct {id} {rest}"));
        self.ids.insert(key, id.clone());
        Some(id)
    }
}

/// Reads all structs and type names, and the type of `runtime.work`.
fn read(data: &[u8]) -> Result<(Definitions, Option<Key>), Box<dyn Error>> {
    let file = object::read::elf::ElfFile64::<object::LittleEndian>::parse(data)?;
    let section = |name: &str| match file.section_by_name(name) {
        Some(section) => section.data(),
        None => Ok(&[][..]),
    };
    let info = DebugInfo::new(section(".debug_info")?, LittleEndian);
    let abbrev = DebugAbbrev::new(section(".debug_abbrev")?, LittleEndian);
    let strings = DebugStr::new(section(".debug_str")?, LittleEndian);
    let mut definitions = Definitions::new();
    let mut work = None;
    let mut units = info.units();
    while let Some(unit) = units.next()? {
        let abbreviations = unit.abbreviations(&abbrev)?;
        let mut entries = unit.entries(&abbreviations);
        let mut current = None;
        while let Some(entry) = entries.next_dfs()? {
            let key = entry.offset().to_unit_section_offset(&unit);
            let name = name_of(entry, &strings);
            let target = reference(entry, |offset: UnitOffset<usize>| {
                offset.to_unit_section_offset(&unit)
            });
            match entry.tag() {
                gimli::DW_TAG_structure_type => {
                    let size = entry.attr(gimli::DW_AT_byte_size);
                    let definition = Definition {
                        name,
                        size: size.and_then(|size| size.udata_value()).unwrap_or(0),
                        is_struct: true,
                        ..Definition::default()
                    };
                    definitions.insert(key, definition);
                    current = Some(key);
                }
                gimli::DW_TAG_member => {
                    let offset = entry
                        .attr(gimli::DW_AT_data_member_location)
                        .and_then(|offset| offset.udata_value());
                    let place = current.and_then(|current| definitions.get_mut(&current));
                    if let (Some(place), Some(offset), Some(ty)) = (place, offset, target) {
                        place.fields.push((name, offset, ty));
                    }
                }
                gimli::DW_TAG_typedef => {
                    let definition = Definition {
                        name,
                        names: target,
                        ..Definition::default()
                    };
                    definitions.insert(key, definition);
                }
                gimli::DW_TAG_variable if name == NAMED_BY_VARIABLE.0 => work = target,
                gimli::DW_TAG_subprogram => current = None,
                _ => {}
            }
        }
    }
    Ok((definitions, work))
}

fn name_of(entry: &DebuggingInformationEntry<Slice<'_>>, strings: &DebugStr<Slice<'_>>) -> String {
    let text = match entry.attr_value(gimli::DW_AT_name) {
        Some(AttributeValue::String(text)) => Some(text),
        Some(AttributeValue::DebugStrRef(offset)) => strings.get_str(offset).ok(),
        _ => None,
    };
    text.map_or_else(String::new, |text| {
        String::from_utf8_lossy(text.slice()).into_owned()
    })
}

fn reference(
    entry: &DebuggingInformationEntry<Slice<'_>>,
    place: impl Fn(UnitOffset<usize>) -> Key,
) -> Option<Key> {
    match entry.attr_value(gimli::DW_AT_type)? {
        AttributeValue::DebugInfoRef(offset) => Some(UnitSectionOffset(offset.0)),
        AttributeValue::UnitRef(offset) => Some(place(offset)),
        _ => None,
    }
}
