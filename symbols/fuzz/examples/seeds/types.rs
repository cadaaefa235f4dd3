//! Type descriptors of some types and of those they are made of.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, Result};
use symbols_fuzz::go::TYPES;
use symbols_fuzz::parts::join;

use crate::program::{Program, half, set, word};

/// The first types of these names are kept, with what they lead to.
const WANTED: [&str; 10] = [
    "*os.File",
    "*os.file",
    "*runtime.g",
    "*sync.Mutex",
    "*internal/abi.Type",
    "*abi.Type",
    "map[",
    "chan ",
    "func(",
    "*[",
];
/// Descriptors and interface tables kept.
const MOST_TYPES: usize = 48;
const MOST_TABLES: u64 = 2;
/// Size of a table with one method.
const TABLE: usize = 32;

/// Kinds that hold other types.
const ARRAY: u8 = 17;
const CHAN: u8 = 18;
const FUNC: u8 = 19;
const INTERFACE: u8 = 20;
const MAP: u8 = 21;
const POINTER: u8 = 22;
const SLICE: u8 = 23;
const STRUCT: u8 = 25;

/// A descriptor with what belongs to it, and where in it types and names are referred to.
struct Descriptor<'d> {
    bytes: &'d [u8],
    types: Vec<usize>,
    type_offsets: Vec<usize>,
    names: Vec<usize>,
    name_offsets: Vec<usize>,
    /// Addresses inside the descriptor itself.
    own: Vec<usize>,
}

struct Section<'a, 'd> {
    program: &'a Program<'d>,
    start: u64,
    end: u64,
}

pub(crate) fn cut(program: &Program<'_>) -> Result<Vec<u8>> {
    let types_at = if program.minor >= 20 { 296 } else { 280 };
    let end_at = if program.minor >= 27 {
        312
    } else {
        types_at + 8
    };
    let section = Section {
        program,
        start: program.module(types_at)?,
        end: program.module(end_at)?,
    };
    let (roots, tables) = section.roots()?;
    let kept = section.closure(roots)?;

    // Descriptors first, then the names they refer to.
    let mut places = BTreeMap::new();
    let mut data = vec![0; 8];
    for (&address, descriptor) in &kept {
        places.insert(address, data.len());
        data.extend(descriptor.bytes);
        data.resize(data.len().next_multiple_of(8), 0);
    }
    let mut names = BTreeMap::new();
    let mut text: Vec<u8> = Vec::new();
    // Of go1.27 the tables come between descriptors and names.
    let sequence = program.minor >= 27;
    let names_begin = data.len() + if sequence { TABLE * tables.len() } else { 0 };
    for (&address, descriptor) in &kept {
        let at = places.get(&address).copied().unwrap_or_default();
        let type_at = |target: u64| places.get(&target).copied();
        let mut name_at = |target: u64| -> Result<usize> {
            if let Some(&known) = names.get(&target) {
                return Ok(known);
            }
            let name = section.name(target)?;
            let place = text.len();
            text.extend(name);
            names.insert(target, place);
            Ok(place)
        };
        for &place in &descriptor.own {
            let inside = word(descriptor.bytes, place)? - address;
            set(
                &mut data,
                at + place,
                &(TYPES + at as u64 + inside).to_le_bytes(),
            )?;
        }
        for &place in &descriptor.types {
            let target = type_at(word(descriptor.bytes, place)?).unwrap_or(0);
            set(
                &mut data,
                at + place,
                &(TYPES + target as u64).to_le_bytes(),
            )?;
        }
        for &place in &descriptor.type_offsets {
            let target =
                type_at(section.start + half(descriptor.bytes, place)? as u64).unwrap_or(0);
            set(&mut data, at + place, &(target as u32).to_le_bytes())?;
        }
        for &place in &descriptor.names {
            let target = name_at(word(descriptor.bytes, place)?)? + names_begin;
            set(
                &mut data,
                at + place,
                &(TYPES + target as u64).to_le_bytes(),
            )?;
        }
        for &place in &descriptor.name_offsets {
            let target =
                name_at(section.start + half(descriptor.bytes, place)? as u64)? + names_begin;
            set(&mut data, at + place, &(target as u32).to_le_bytes())?;
        }
    }
    let links: Vec<u8> = places
        .values()
        .flat_map(|&at| (at as u32).to_le_bytes())
        .collect();
    let mut table_data = Vec::new();
    let mut table_links = Vec::new();
    for table in tables {
        let at = data.len() + text.len() + table_data.len();
        table_links.extend((TYPES + at as u64).to_le_bytes());
        for step in [0, 8] {
            let target = places
                .get(&program.word(table + step)?)
                .copied()
                .unwrap_or(0);
            table_data.extend((TYPES + target as u64).to_le_bytes());
        }
        table_data.extend(program.bytes(table + 16, 16)?);
    }
    if sequence {
        return Ok(join(&[&program.build(), &data, &text, &table_data]));
    }
    data.extend(text);
    data.extend(table_data);
    Ok(join(&[&program.build(), &data, &links, &table_links]))
}

impl<'d> Section<'_, 'd> {
    /// Finds the wanted types among those that the linker lists, and the first interface tables.
    fn roots(&self) -> Result<(Vec<u64>, Vec<u64>)> {
        let program = self.program;
        let mut listed = Vec::new();
        let mut tables = Vec::new();
        if program.minor >= 27 {
            let end = self.start + program.module(304)?;
            let mut at = self.start + 8;
            while at < end {
                listed.push(at);
                at = (at + self.descriptor(at)?.bytes.len() as u64).next_multiple_of(8);
            }
            tables.push(self.start + program.module(320)?);
        } else {
            let at = match program.minor {
                17 => 320,
                18 | 19 => 336,
                20..=25 => 352,
                _ => 360,
            };
            let (links, count) = (program.module(at)?, program.module(at + 8)?);
            for link in program.bytes(links, 4 * count)?.chunks_exact(4) {
                listed.push(self.start + half(link, 0)? as u64);
            }
            let (links, count) = (program.module(at + 24)?, program.module(at + 32)?);
            for number in 0..count.min(MOST_TABLES) {
                tables.push(program.word(links + 8 * number)?);
            }
        }
        let mut roots = Vec::new();
        for wanted in WANTED {
            for &ty in &listed {
                let name = self.start + half(program.bytes(ty + 40, 4)?, 0)? as u64;
                let name = self.name(name)?;
                if name
                    .get(2..)
                    .is_some_and(|name| name.starts_with(wanted.as_bytes()))
                {
                    roots.push(ty);
                    break;
                }
            }
        }
        for &table in &tables {
            roots.extend([program.word(table)?, program.word(table + 8)?]);
        }
        Ok((roots, tables))
    }

    /// Follows references, nearest first.
    fn closure(&self, roots: Vec<u64>) -> Result<BTreeMap<u64, Descriptor<'d>>> {
        let mut todo = VecDeque::from(roots);
        let mut kept = BTreeMap::new();
        while let Some(ty) = todo.pop_front() {
            if kept.len() >= MOST_TYPES
                || kept.contains_key(&ty)
                || ty < self.start
                || ty >= self.end
            {
                continue;
            }
            let descriptor = self.descriptor(ty)?;
            for &at in &descriptor.types {
                todo.push_back(word(descriptor.bytes, at)?);
            }
            kept.insert(ty, descriptor);
        }
        Ok(kept)
    }

    fn descriptor(&self, ty: u64) -> Result<Descriptor<'d>> {
        let head = self.program.bytes(ty, 48)?;
        let kind = head.get(23).copied().context("no kind")? & 31;
        let uncommon = head.get(20).is_some_and(|flags| flags & 1 != 0);
        let count = |at: u64| -> Result<usize> { Ok(self.program.word(ty + at)? as usize) };
        let arguments = || -> Result<usize> {
            let both = half(self.program.bytes(ty + 48, 4)?, 0)?;
            Ok((both & 0xffff) + (both >> 16 & 0x7fff))
        };
        let map = match self.program.minor {
            ..=23 => 88,
            24..=26 => 104,
            _ => 136,
        };
        let (base, unit, items) = match kind {
            ARRAY => (72, 0, 0),
            CHAN => (64, 0, 0),
            FUNC => (56, 8, arguments()?),
            INTERFACE => (80, 8, count(64)?),
            MAP => (map, 0, 0),
            POINTER | SLICE => (56, 0, 0),
            STRUCT => (80, 24, count(64)?),
            _ => (48, 0, 0),
        };
        let first = base + if uncommon { 16 } else { 0 };
        let mut size = first + unit * items;
        let mut found = Descriptor {
            bytes: head,
            types: Vec::new(),
            type_offsets: vec![44],
            names: Vec::new(),
            name_offsets: vec![40],
            own: Vec::new(),
        };
        if uncommon {
            let part = self.program.bytes(ty + base as u64, 16)?;
            size += 16 * (half(part, 4)? & 0xffff);
            found.name_offsets.push(base);
        }
        match kind {
            POINTER | SLICE | CHAN => found.types.push(48),
            ARRAY => found.types.extend([48, 56]),
            MAP => found.types.extend([48, 56, 64]),
            FUNC => found
                .types
                .extend((0..items).map(|number| first + 8 * number)),
            INTERFACE => {
                found.names.push(48);
                found.own.push(56);
                found
                    .name_offsets
                    .extend((0..items).map(|number| first + 8 * number));
                found
                    .type_offsets
                    .extend((0..items).map(|number| first + 8 * number + 4));
            }
            STRUCT => {
                found.names.push(48);
                found.own.push(56);
                found
                    .names
                    .extend((0..items).map(|number| first + 24 * number));
                found
                    .types
                    .extend((0..items).map(|number| first + 24 * number + 8));
            }
            _ => {}
        }
        found.bytes = self.program.bytes(ty, size as u64)?;
        // An empty list has no place of its own, and a built-in type no package.
        found.own.retain(|&at| {
            word(found.bytes, at).is_ok_and(|to| (ty..ty + size as u64).contains(&to))
        });
        found.names.retain(|&at| {
            word(found.bytes, at).is_ok_and(|to| (self.start..self.end).contains(&to))
        });
        Ok(found)
    }

    /// Reads a name with its flags and length.
    fn name(&self, address: u64) -> Result<&'d [u8]> {
        let head = self.program.bytes(address, 2)?;
        let length = head.get(1).copied().unwrap_or_default();
        // A longer one is cut to what one byte of length can say.
        self.program.bytes(address, 2 + u64::from(length & 0x7f))
    }
}
