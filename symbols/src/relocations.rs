//! Words that a position-independent file leaves to the loader.

use crate::budget::{Budget, Exhausted, MAX_RELOCATIONS};
use crate::bytes;
use crate::image::{Image, Machine};

/// Bytes of one `Elf64_Rela`.
const ENTRY: usize = 24;

/// The `R_*_RELATIVE` entries of `.rela.dyn`, in the file's bytes, reached through an order by offset.
#[derive(Debug, Default)]
pub(crate) struct Relocations<'d> {
    table: &'d [u8],
    relative: u32,
    /// Entry numbers ordered by the address they change.
    order: Vec<u32>,
}

impl<'d> Relocations<'d> {
    /// Finds the table through the dynamic segment, which survives strip, else by its section.
    pub(crate) fn find(image: &Image<'d>) -> Result<Self, Exhausted> {
        if !image.pie {
            return Ok(Self::default());
        }
        let relative = match image.machine {
            Machine::Amd64 => 8,
            Machine::Arm64 => 1027,
        };
        let by_segment = image
            .dynamic
            .and_then(|dynamic| table_of_dynamic(image, dynamic));
        let by_section = || {
            image
                .go_section(".rela.dyn")
                .or_else(|| image.go_section(".rela"))
                .map(|section| section.data)
        };
        let table = by_segment.or_else(by_section).unwrap_or_default();
        Self::index(table, relative, &image.budget)
    }

    fn index(table: &'d [u8], relative: u32, budget: &Budget) -> Result<Self, Exhausted> {
        let count = table.len().checked_div(ENTRY).unwrap_or(0) as u64;
        budget.allow("relocations", MAX_RELOCATIONS).spend(count)?;
        let mut built = Self {
            table,
            relative,
            order: Vec::new(),
        };
        let numbers = 0..u32::try_from(count).unwrap_or(0);
        let relocated = numbers.clone().filter(|&number| built.is_relative(number));
        // Counted first, so that the index takes no more than it needs.
        let mut order = Vec::with_capacity(relocated.count());
        order.extend(numbers.filter(|&number| built.is_relative(number)));
        budget.sort(order.len())?;
        order.sort_unstable_by_key(|&number| built.offset(number));
        built.order = order;
        Ok(built)
    }

    /// Answers what the loader writes at `address`, with a load bias of 0.
    pub(crate) fn addend(&self, address: u64) -> Option<u64> {
        let found = self
            .order
            .binary_search_by_key(&address, |&number| self.offset(number))
            .ok()?;
        self.value(*self.order.get(found)?)
    }

    /// Counts the relocated words.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Lists the addresses at which the loader writes `value`, from a look at all of them.
    pub(crate) fn pointing_to(&self, value: u64) -> impl Iterator<Item = u64> {
        let hits = self
            .order
            .iter()
            .filter(move |&&number| self.value(number) == Some(value));
        hits.map(|&number| self.offset(number))
    }

    fn is_relative(&self, number: u32) -> bool {
        self.field(number, 8)
            .is_some_and(|info| info & 0xffff_ffff == u64::from(self.relative))
    }

    fn offset(&self, number: u32) -> u64 {
        self.field(number, 0).unwrap_or(u64::MAX)
    }

    fn value(&self, number: u32) -> Option<u64> {
        self.field(number, 16)
    }

    fn field(&self, number: u32, at: usize) -> Option<u64> {
        let start = usize::try_from(number).ok()?.checked_mul(ENTRY)?;
        bytes::u64_at(self.table, start.checked_add(at)?)
    }
}

/// Reads `DT_RELA` and `DT_RELASZ`.
fn table_of_dynamic<'d>(image: &Image<'d>, dynamic: &[u8]) -> Option<&'d [u8]> {
    const DT_RELA: u64 = 7;
    const DT_RELASZ: u64 = 8;
    let entry = |tag: u64| {
        let hit = dynamic
            .chunks_exact(16)
            .find(|entry| bytes::u64_at(entry, 0) == Some(tag));
        hit.and_then(|entry| bytes::u64_at(entry, 8))
    };
    image.bytes(entry(DT_RELA)?, entry(DT_RELASZ)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Limits;

    fn entry(offset: u64, kind: u64, addend: u64) -> Vec<u8> {
        [offset, kind, addend]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    #[test]
    fn relative_entries_are_found_in_any_order() {
        let budget = Budget::new(Limits::default());
        let table = [entry(64, 8, 7), entry(8, 8, 5), entry(16, 1, 9)].concat();
        let relocations = Relocations::index(&table, 8, &budget).unwrap();
        assert_eq!(relocations.addend(8), Some(5));
        assert_eq!(relocations.addend(64), Some(7));
        assert_eq!(relocations.addend(16), None);
        assert_eq!(relocations.pointing_to(7).collect::<Vec<_>>(), [64]);
    }

    #[test]
    fn a_torn_table_keeps_its_whole_entries() {
        let budget = Budget::new(Limits::default());
        let table = [entry(64, 8, 7), entry(8, 8, 5)].concat();
        let relocations = Relocations::index(&table[..47], 8, &budget).unwrap();
        assert_eq!(relocations.addend(64), Some(7));
        assert_eq!(relocations.addend(8), None);
    }
}
