//! Which descriptors there are: those that the linker lists, and all that these name.

use super::{Descriptors, HAS_UNCOMMON, STRUCT, malformed};
use crate::budget::{Allowance, BYTES_PER_EDGE, Budget, Exhausted, LEAST_EDGES, MAX_TYPES};
use crate::bytes;
use crate::error::Reason;
use crate::moduledata::TypeRoots;

/// Sizes of the common part, of the part of named types, and of one method.
const COMMON: u64 = 48;
const UNCOMMON: u64 = 16;
const METHOD: u64 = 16;
/// `internal/abi.MapType` of go1.27.
const MAP_DESCRIPTOR: u64 = 136;
/// Kinds that hold other types, beside structs.
const ARRAY: u8 = 17;
const CHAN: u8 = 18;
const FUNC: u8 = 19;
const INTERFACE: u8 = 20;
const MAP: u8 = 21;
const POINTER: u8 = 22;
const SLICE: u8 = 23;
const LAST_KIND: u8 = 26;

/// The descriptors met so far, each once: a bit for every 8 bytes of the section, and those whose own
/// references are still to be followed.
struct Frontier<'b> {
    start: u64,
    met: Vec<u64>,
    todo: Vec<u32>,
    edges: Allowance<'b>,
    types: Allowance<'b>,
}

impl<'b> Frontier<'b> {
    fn new(start: u64, length: usize, most: usize, budget: &'b Budget) -> Self {
        Self {
            start,
            met: vec![0; (length / 512).saturating_add(1)],
            todo: Vec::new(),
            edges: budget.allow("references between type descriptors", most as u64),
            types: budget.allow("type descriptors", MAX_TYPES),
        }
    }

    /// Notes a reference; what lies outside the section, or between descriptors, leads nowhere.
    fn meet(&mut self, ty: Option<u64>) -> Result<(), Exhausted> {
        self.edges.spend(1)?;
        let aligned = ty.filter(|ty| ty.is_multiple_of(8));
        let offset = aligned.and_then(|ty| ty.checked_sub(self.start));
        let Some(offset) = offset.and_then(|offset| u32::try_from(offset).ok()) else {
            return Ok(());
        };
        let (word, bit) = (offset / 512, 1_u64 << (offset / 8 % 64));
        let word = usize::try_from(word)
            .ok()
            .and_then(|word| self.met.get_mut(word));
        if let Some(word) = word.filter(|word| **word & bit == 0) {
            *word |= bit;
            self.types.spend(1)?;
            self.todo.push(offset);
        }
        Ok(())
    }

    fn next(&mut self) -> Option<u64> {
        self.start.checked_add(u64::from(self.todo.pop()?))
    }
}

impl Descriptors<'_, '_> {
    /// Calls `seen` once for every descriptor that the roots lead to.
    pub(crate) fn visit(
        &self,
        mut seen: impl FnMut(u64) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let start = self.section.start;
        let stated = self.section.end.saturating_sub(start);
        let in_file = self.image.tail(start).unwrap_or_default().len();
        let length = usize::try_from(stated).unwrap_or(in_file).min(in_file);
        let most = self.image.data.len() / BYTES_PER_EDGE;
        let most = most.saturating_add(LEAST_EDGES);
        let mut frontier = Frontier::new(start, length, most, &self.image.budget);
        match self.section.roots {
            TypeRoots::Links { types, tables } => self.linked(types, tables, &mut frontier)?,
            TypeRoots::Sequence { types_end, tables } => {
                self.in_sequence(types_end, tables, &mut frontier)?;
            }
        }
        while let Some(ty) = frontier.next() {
            self.follow(ty, &mut frontier)?;
            seen(ty)?;
        }
        Ok(())
    }

    /// Meets the roots up to go1.26.
    fn linked(
        &self,
        types: (u64, u64),
        tables: (u64, u64),
        frontier: &mut Frontier<'_>,
    ) -> Result<(), Reason> {
        let links = self.list(types, 4).ok_or(malformed(types.0))?;
        for link in links.chunks_exact(4) {
            frontier.meet(bytes::u32_at(link, 0).and_then(|offset| self.at_offset(offset)))?;
        }
        self.list(tables, 8).ok_or(malformed(tables.0))?;
        for number in 0..tables.1 {
            let at = tables.0.saturating_add(number.saturating_mul(8));
            let table = self.image.word(at).ok_or(malformed(at))?;
            self.table(table, frontier)?;
        }
        Ok(())
    }

    /// Meets the roots of go1.27, where each descriptor and each interface table tells its own size.
    fn in_sequence(
        &self,
        types_end: u64,
        tables: (u64, u64),
        frontier: &mut Frontier<'_>,
    ) -> Result<(), Reason> {
        // The section begins with a reserved word.
        let mut at = self.section.start.checked_add(8);
        while let Some(ty) = at
            .and_then(|at| at.checked_next_multiple_of(8))
            .filter(|&ty| ty < types_end)
        {
            frontier.meet(Some(ty))?;
            at = ty.checked_add(self.descriptor_size(ty).ok_or(malformed(ty))?);
        }
        let mut at = Some(tables.0);
        while let Some(table) = at.filter(|&table| table < tables.1) {
            self.table(table, frontier)?;
            at = table.checked_add(self.table_size(table).ok_or(malformed(table))?);
        }
        Ok(())
    }

    /// Meets the interface and the type that fulfils it, with which an interface table starts.
    fn table(&self, table: u64, frontier: &mut Frontier<'_>) -> Result<(), Exhausted> {
        frontier.meet(self.image.word(table))?;
        frontier.meet(table.checked_add(8).and_then(|at| self.image.word(at)))
    }

    /// Meets the types that a descriptor names; one that ends outside the file leads nowhere.
    fn follow(&self, ty: u64, frontier: &mut Frontier<'_>) -> Result<(), Exhausted> {
        let word = |at: u64| self.image.word(ty.checked_add(at)?);
        let pointer = ty.checked_add(44).and_then(|at| self.image.u32(at));
        let pointer = pointer.filter(|&offset| offset != 0);
        frontier.meet(pointer.and_then(|offset| self.at_offset(offset)))?;
        match self.kind(ty) {
            Some(CHAN | POINTER | SLICE) => frontier.meet(word(48)),
            Some(ARRAY) => [48, 56]
                .into_iter()
                .try_for_each(|at| frontier.meet(word(at))),
            Some(MAP) => [48, 56, 64]
                .into_iter()
                .try_for_each(|at| frontier.meet(word(at))),
            Some(FUNC) => self.follow_arguments(ty, frontier),
            Some(INTERFACE) => {
                let methods = word(56)
                    .zip(word(64))
                    .and_then(|methods| self.list(methods, 8));
                for method in methods.unwrap_or_default().chunks_exact(8) {
                    let offset = bytes::u32_at(method, 4);
                    frontier.meet(offset.and_then(|offset| self.at_offset(offset)))?;
                }
                Ok(())
            }
            Some(STRUCT) => {
                let fields = word(56).zip(word(64));
                let fields = fields.filter(|&fields| self.list(fields, 24).is_some());
                let (first, count) = fields.unwrap_or((0, 0));
                for number in 0..count {
                    // The fields were found to lie in the file.
                    let at = first
                        .saturating_add(number.saturating_mul(24))
                        .saturating_add(8);
                    frontier.meet(self.image.word(at))?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn follow_arguments(&self, ty: u64, frontier: &mut Frontier<'_>) -> Result<(), Exhausted> {
        let named = self.flags(ty) & HAS_UNCOMMON != 0;
        let skip = if named { UNCOMMON } else { 0 };
        let first = ty
            .saturating_add(COMMON)
            .saturating_add(8)
            .saturating_add(skip);
        for number in 0..self.function_arguments(ty).unwrap_or(0) {
            frontier.meet(
                self.image
                    .word(first.saturating_add(number.saturating_mul(8))),
            )?;
        }
        Ok(())
    }

    /// Takes the bytes of an array of `count` entries at `first`.
    fn list(&self, (first, count): (u64, u64), width: u64) -> Option<&[u8]> {
        self.image.bytes(first, count.checked_mul(width)?)
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Limits;

    #[test]
    fn each_descriptor_is_met_once() {
        let budget = Budget::new(Limits::default());
        let mut frontier = Frontier::new(0x1000, 1024, 9, &budget);
        for ty in [0x1008, 0x1008, 0x100c, 0x0ff8, 0x1200, 0x2000, u64::MAX] {
            frontier.meet(Some(ty)).unwrap();
        }
        assert_eq!(frontier.next(), Some(0x1200));
        assert_eq!(frontier.next(), Some(0x1008));
        assert_eq!(frontier.next(), None);
        assert_eq!(budget.spent().steps, 9);
        // Two more references are allowed, whatever they lead to.
        assert_eq!(frontier.meet(None), Ok(()));
        assert_eq!(frontier.meet(None), Ok(()));
        assert!(frontier.meet(None).is_err());
    }
}
