//! Struct definitions in the type descriptors that reflection and the garbage collector use.
//!
//! They survive strip, but describe only types that some interface, pointer type or map needs:
//! the types of the runtime's own variables are not among them.
//!
//! # Layout      a descriptor is size +0, flags +20, kind +23, name +40, pointer type +44, then by kind from +48
//! # Source      internal/abi/type.go of go1.21 to go1.27, runtime/type.go of go1.17 to go1.20

mod reach;

use super::names::escape_path;
use super::{Found, KEY_BYTES, RawField, RawStruct, TypeSource};
use crate::budget::{Allowance, MAX_NAME};
use crate::bytes;
use crate::error::Reason;
use crate::fact::Provenance;
use crate::image::Image;
use crate::moduledata::TypeSection;
use crate::version::GoVersion;

/// Flags of a descriptor.
const HAS_UNCOMMON: u8 = 1;
const EXTRA_STAR: u8 = 2;
const IS_NAMED: u8 = 4;
const STRUCT: u8 = 25;

/// Keys of descriptors have this bit, which no address in user space and no offset in a file has.
const KEY: u64 = 1 << 62;

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
    pub(crate) fn search(&self, wanted: &[String]) -> Result<Found, Reason> {
        let mut found: Found = wanted
            .iter()
            .map(|name| (name.clone(), Vec::new()))
            .collect();
        let mut answer = self.image.budget.answer();
        let mut name = String::new();
        self.visit(|ty| {
            if self.struct_name(ty, &mut name).is_none() {
                return Ok(());
            }
            self.image.budget.name(name.len())?;
            if let Some(keys) = found.get_mut(&name) {
                answer.spend(KEY_BYTES)?;
                keys.extend(key(ty));
            }
            Ok(())
        })?;
        Ok(found)
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

    fn read_struct(
        &self,
        ty: u64,
        answer: &mut Allowance<'_>,
    ) -> Result<Option<RawStruct>, Reason> {
        let word = |at: u64| self.image.word(ty.checked_add(at)?);
        let (Some(size), Some(first), Some(count)) = (word(0), word(56), word(64)) else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        for number in 0..count {
            let Some(field) = self.read_field(first, number) else {
                return Ok(None);
            };
            let (name, offset, ty) = field;
            answer.spend(RawField::cost(name))?;
            let name = name.to_owned();
            fields.push(RawField { name, offset, ty });
        }
        Ok(u32::try_from(size)
            .ok()
            .map(|size| RawStruct { size, fields }))
    }

    fn read_field(&self, first: u64, number: u64) -> Option<(&'d str, u32, Option<u64>)> {
        let at = first.checked_add(number.checked_mul(24)?)?;
        let name = self.name_at(self.image.word(at)?)?;
        let ty = self.image.word(at.checked_add(8)?)?;
        let offset = self
            .image
            .word(at.checked_add(16)?)?
            .checked_shr(self.offset_shift)?;
        Some((name, u32::try_from(offset).ok()?, key(ty)))
    }
}

impl TypeSource for Descriptors<'_, '_> {
    fn structure(&self, key: u64, answer: &mut Allowance<'_>) -> Result<Option<RawStruct>, Reason> {
        let ty = key & !KEY;
        if !self.covers(ty) || self.kind(ty) != Some(STRUCT) {
            return Ok(None);
        }
        match self.read_struct(ty, answer)? {
            Some(raw) => Ok(Some(raw)),
            None => Err(malformed(ty)),
        }
    }

    fn missing(&self) -> Reason {
        Reason::NoDescriptor
    }

    fn provenance(&self, _keys: &[u64]) -> Provenance {
        Provenance::TypeDescriptors
    }
}

fn key(ty: u64) -> Option<u64> {
    (ty < KEY).then_some(ty | KEY)
}

fn malformed(address: u64) -> Reason {
    Reason::Malformed {
        section: "type descriptors",
        offset: address,
    }
}
