//! Struct definitions in the type descriptors that reflection and the garbage collector use.
//!
//! They survive strip, but describe only types that some interface, pointer type or map needs:
//! the types of the runtime's own variables are not among them.
//!
//! # Layout      a descriptor is size +0, flags +20, kind +23, name +40, pointer type +44, then by kind from +48
//! # Source      internal/abi/type.go of go1.21 to go1.27, runtime/type.go of go1.17 to go1.20

use std::collections::HashSet;

use super::names::escape_path;
use super::{Found, RawField, RawStruct, TypeSource};
use crate::budget::{Budget, MAX_NAME};
use crate::bytes;
use crate::error::Reason;
use crate::fact::Provenance;
use crate::image::Image;
use crate::moduledata::{TypeRoots, TypeSection};
use crate::version::GoVersion;

/// Sizes of the common part, of the part of named types, and of one method.
const COMMON: u64 = 48;
const UNCOMMON: u64 = 16;
const METHOD: u64 = 16;
/// Flags of a descriptor.
const HAS_UNCOMMON: u8 = 1;
const EXTRA_STAR: u8 = 2;
const IS_NAMED: u8 = 4;
/// Kinds that hold other types.
const ARRAY: u8 = 17;
const CHAN: u8 = 18;
const FUNC: u8 = 19;
const INTERFACE: u8 = 20;
const MAP: u8 = 21;
const POINTER: u8 = 22;
const SLICE: u8 = 23;
const STRUCT: u8 = 25;
const LAST_KIND: u8 = 26;

/// The descriptors of one binary.
#[derive(Debug)]
pub(crate) struct Descriptors<'a, 'd> {
    image: &'a Image<'d>,
    section: TypeSection,
    /// Before go1.19 a field's offset was doubled to hold the embedded flag.
    offset_shift: u32,
}

impl<'a, 'd> Descriptors<'a, 'd> {
    /// Prepares to read the descriptors of `section`.
    pub(crate) fn new(image: &'a Image<'d>, section: TypeSection, version: &GoVersion) -> Self {
        Self {
            image,
            section,
            offset_shift: u32::from(!version.at_least(19)),
        }
    }

    /// Finds the wanted structs among all descriptors.
    pub(crate) fn search(&self, wanted: &[&str]) -> Result<Found, Reason> {
        let mut found: Found = wanted
            .iter()
            .map(|&name| (name.to_owned(), Vec::new()))
            .collect();
        let mut name = String::new();
        self.visit(|ty| {
            if self.struct_name(ty, &mut name).is_some()
                && let Some(keys) = found.get_mut(&name)
            {
                keys.push(ty);
            }
        })?;
        Ok(found)
    }

    /// Calls `seen` once for every descriptor that the roots lead to.
    pub(crate) fn visit(&self, mut seen: impl FnMut(u64)) -> Result<(), Reason> {
        let budget = &self.image.budget;
        let mut todo = match self.section.roots {
            TypeRoots::Links { types, tables } => self.linked_roots(types, tables)?,
            TypeRoots::Sequence { types_end, tables } => self.sequence_roots(types_end, tables)?,
        };
        let mut known = HashSet::new();
        while let Some(ty) = todo.pop() {
            if !self.covers(ty) || !known.insert(ty) {
                continue;
            }
            budget.steps(1)?;
            let before = todo.len();
            // A descriptor that ends outside the file leads nowhere.
            self.references(ty, &mut todo)?;
            budget.steps(todo.len().saturating_sub(before) as u64)?;
            seen(ty);
        }
        Ok(())
    }

    /// Reads the roots up to go1.26.
    fn linked_roots(&self, types: (u64, u64), tables: (u64, u64)) -> Result<Vec<u64>, Reason> {
        self.image.budget.steps(types.1.saturating_add(tables.1))?;
        let links = self
            .image
            .bytes(types.0, types.1.saturating_mul(4))
            .ok_or(malformed(types.0))?;
        let offsets = links
            .chunks_exact(4)
            .filter_map(|link| bytes::u32_at(link, 0));
        let mut roots: Vec<u64> = offsets
            .filter_map(|offset| self.at_offset(offset))
            .collect();
        for number in 0..tables.1 {
            let at = tables.0.saturating_add(number.saturating_mul(8));
            let table = self.image.word(at).ok_or(malformed(at))?;
            roots.extend(self.table_types(table));
        }
        Ok(roots)
    }

    /// Reads the roots of go1.27, where each descriptor and each interface table tells its own size.
    fn sequence_roots(&self, types_end: u64, tables: (u64, u64)) -> Result<Vec<u64>, Reason> {
        let mut roots = Vec::new();
        // The section begins with a reserved word.
        let mut at = self.section.start.checked_add(8);
        while let Some(ty) = at
            .and_then(|at| at.checked_next_multiple_of(8))
            .filter(|&ty| ty < types_end)
        {
            self.image.budget.steps(1)?;
            roots.push(ty);
            at = ty.checked_add(self.descriptor_size(ty).ok_or(malformed(ty))?);
        }
        let mut at = Some(tables.0);
        while let Some(table) = at.filter(|&table| table < tables.1) {
            self.image.budget.steps(1)?;
            roots.extend(self.table_types(table));
            at = table.checked_add(self.table_size(table).ok_or(malformed(table))?);
        }
        Ok(roots)
    }

    /// Reads the interface and the type that fulfils it, with which an interface table starts.
    fn table_types(&self, table: u64) -> impl Iterator<Item = u64> {
        [table, table.saturating_add(8)]
            .into_iter()
            .filter_map(|at| self.image.word(at))
    }

    /// Measures an interface table: two types, a hash, and one word for each method.
    fn table_size(&self, table: u64) -> Option<u64> {
        let first_method = self.image.word(table.checked_add(24)?)?;
        // A type that does not fulfil the interface has one empty word.
        let methods = if first_method == 0 {
            1
        } else {
            self.image.word(self.image.word(table)?.checked_add(64)?)?
        };
        methods.max(1).checked_mul(8)?.checked_add(24)
    }

    /// Adds the types that a descriptor names.
    fn references(&self, ty: u64, todo: &mut Vec<u64>) -> Result<(), Reason> {
        let word = |at: u64| self.image.word(ty.saturating_add(at));
        todo.extend(
            self.image
                .u32(ty.saturating_add(44))
                .filter(|&offset| offset != 0)
                .and_then(|o| self.at_offset(o)),
        );
        match self.kind(ty) {
            Some(CHAN | POINTER | SLICE) => todo.extend(word(48)),
            Some(ARRAY) => todo.extend([word(48), word(56)].into_iter().flatten()),
            Some(MAP) => todo.extend([word(48), word(56), word(64)].into_iter().flatten()),
            Some(FUNC) => {
                let skip = if self.flags(ty) & HAS_UNCOMMON == 0 {
                    0
                } else {
                    UNCOMMON
                };
                let first = ty
                    .saturating_add(COMMON)
                    .saturating_add(8)
                    .saturating_add(skip);
                let arguments = self.function_arguments(ty).unwrap_or(0);
                todo.extend(
                    (0..arguments)
                        .map_while(|n| self.image.word(first.saturating_add(n.saturating_mul(8)))),
                );
            }
            Some(INTERFACE) => {
                let (first, count) = (word(56).unwrap_or(0), word(64).unwrap_or(0));
                self.image.budget.steps(count)?;
                let method = |n: u64| {
                    self.image
                        .u32(first.saturating_add(n.saturating_mul(8)).saturating_add(4))
                };
                todo.extend(
                    (0..count)
                        .map_while(method)
                        .filter_map(|offset| self.at_offset(offset)),
                );
            }
            Some(STRUCT) => {
                let (first, count) = (word(56).unwrap_or(0), word(64).unwrap_or(0));
                self.image.budget.steps(count)?;
                let field = |n: u64| {
                    self.image
                        .word(first.saturating_add(n.saturating_mul(24)).saturating_add(8))
                };
                todo.extend((0..count).map_while(field));
            }
            _ => {}
        }
        Ok(())
    }

    /// Measures a descriptor of go1.27, where the next one follows it.
    fn descriptor_size(&self, ty: u64) -> Option<u64> {
        let word = |at: u64| self.image.word(ty.checked_add(at)?);
        let (base, more) = match self.kind(ty)? {
            ARRAY => (72, 0),
            CHAN => (64, 0),
            FUNC => (56, self.function_arguments(ty)?.checked_mul(8)?),
            INTERFACE => (80, word(64)?.checked_mul(8)?),
            MAP => (MAP_DESCRIPTOR, 0),
            POINTER | SLICE => (56, 0),
            STRUCT => (80, word(64)?.checked_mul(24)?),
            1..=LAST_KIND => (COMMON, 0),
            _ => return None,
        };
        let mut size = u64::checked_add(base, more)?;
        if self.flags(ty) & HAS_UNCOMMON != 0 {
            let methods = self.image.u16(ty.checked_add(base)?.checked_add(4)?)?;
            size = size
                .checked_add(UNCOMMON)?
                .checked_add(METHOD.checked_mul(u64::from(methods))?)?;
        }
        Some(size)
    }

    fn function_arguments(&self, ty: u64) -> Option<u64> {
        let (taken, given) = (
            self.image.u16(ty.checked_add(48)?)?,
            self.image.u16(ty.checked_add(50)?)?,
        );
        u64::from(taken).checked_add(u64::from(given & 0x7fff))
    }

    fn kind(&self, ty: u64) -> Option<u8> {
        self.image.u8(ty.checked_add(23)?).map(|kind| kind & 31)
    }

    fn flags(&self, ty: u64) -> u8 {
        ty.checked_add(20)
            .and_then(|at| self.image.u8(at))
            .unwrap_or(0)
    }

    fn covers(&self, ty: u64) -> bool {
        self.section.start <= ty && ty < self.section.end && ty.is_multiple_of(8)
    }

    fn at_offset(&self, offset: u32) -> Option<u64> {
        self.section.start.checked_add(u64::from(offset))
    }

    /// Writes the full name of a named struct as symbol tables and debugging information write it.
    pub(crate) fn struct_name(&self, ty: u64, name: &mut String) -> Option<()> {
        let flags = self.flags(ty);
        if self.kind(ty)? != STRUCT || flags & IS_NAMED == 0 || flags & HAS_UNCOMMON == 0 {
            return None;
        }
        let short = self.name_at(self.at_offset(self.image.u32(ty.checked_add(40)?)?)?)?;
        let short = if flags & EXTRA_STAR == 0 {
            short
        } else {
            short.strip_prefix('*')?
        };
        let (_package, rest) = short.split_once('.')?;
        let path = self.image.u32(ty.checked_add(80)?)?;
        let path = self.name_at(self.at_offset(path)?)?;
        name.clear();
        escape_path(path, name);
        name.push('.');
        name.push_str(rest);
        Some(())
    }

    /// Reads a name: a byte of flags, the length, the text.
    fn name_at(&self, address: u64) -> Option<&'d str> {
        let bytes = self.image.tail(address)?;
        let (length, size) = bytes::varint(bytes, 1)?;
        let length = usize::try_from(length)
            .ok()
            .filter(|&length| length <= MAX_NAME)?;
        let start = size.checked_add(1)?;
        std::str::from_utf8(bytes.get(start..start.checked_add(length)?)?).ok()
    }

    fn read_struct(&self, ty: u64, budget: &Budget) -> Result<Option<RawStruct>, Reason> {
        let word = |at: u64| self.image.word(ty.checked_add(at)?);
        let (Some(size), Some(first), Some(count)) = (word(0), word(56), word(64)) else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        for number in 0..count {
            budget.steps(1)?;
            let Some(field) = self.read_field(first, number) else {
                return Ok(None);
            };
            let (name, offset, ty) = field;
            budget.keep(RawField::cost(name))?;
            let (name, ty) = (name.to_owned(), Some(ty));
            fields.push(RawField { name, offset, ty });
        }
        Ok(u32::try_from(size)
            .ok()
            .map(|size| RawStruct { size, fields }))
    }

    fn read_field(&self, first: u64, number: u64) -> Option<(&'d str, u32, u64)> {
        let at = first.checked_add(number.checked_mul(24)?)?;
        let name = self.name_at(self.image.word(at)?)?;
        let ty = self.image.word(at.checked_add(8)?)?;
        let offset = self
            .image
            .word(at.checked_add(16)?)?
            .checked_shr(self.offset_shift)?;
        Some((name, u32::try_from(offset).ok()?, ty))
    }
}

impl TypeSource for Descriptors<'_, '_> {
    fn structure(&self, key: u64, budget: &Budget) -> Result<Option<RawStruct>, Reason> {
        if !self.covers(key) || self.kind(key) != Some(STRUCT) {
            return Ok(None);
        }
        match self.read_struct(key, budget)? {
            Some(raw) => Ok(Some(raw)),
            None => Err(malformed(key)),
        }
    }

    fn missing(&self) -> Reason {
        Reason::NoDescriptor
    }

    fn provenance(&self, _keys: &[u64]) -> Provenance {
        Provenance::TypeDescriptors
    }
}

/// `internal/abi.MapType` of go1.27.
const MAP_DESCRIPTOR: u64 = 136;

fn malformed(address: u64) -> Reason {
    Reason::Malformed {
        section: "type descriptors",
        offset: address,
    }
}
