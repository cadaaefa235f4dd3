//! Where the single numbers are in a copy.

use super::{
    cells::{Cell, Width},
    memory::Copied,
};

/// No place: the binary does not tell it.
const NOWHERE: u32 = u32::MAX;

/// By cell: offset in the copy. One cache line holds sixteen: this is read for every target.
#[derive(Debug)]
pub(super) struct Copies(Vec<u32>);

impl Copies {
    /// From cells and their offsets.
    pub(super) fn new(cells: impl IntoIterator<Item = (Cell, usize)>) -> Self {
        let mut offsets = vec![NOWHERE; Cell::ALL.len()];
        for (cell, offset) in cells {
            if let Some(place) = offsets.get_mut(cell as usize) {
                *place = u32::try_from(offset).unwrap_or(NOWHERE);
            }
        }
        Self(offsets)
    }

    /// The number as it was copied.
    pub(super) fn get(&self, copied: Copied<'_>, cell: Cell) -> Option<u64> {
        let offset = *self.0.get(cell as usize)?;
        if offset == NOWHERE {
            return None;
        }
        let at = usize::try_from(offset).ok()?;
        Some(match cell.place().width {
            Width::Four => u64::from(copied.u32_at(at)),
            Width::Signed => i64::from(copied.u32_at(at).cast_signed()).cast_unsigned(),
            Width::Eight => copied.u64_at(at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_at_their_width() {
        let mut bytes = vec![0; 16];
        bytes[4..8].copy_from_slice(&(-1_i32).to_le_bytes());
        bytes[8..].copy_from_slice(&u64::MAX.to_le_bytes());
        let cells = [
            (Cell::GcPercent, 4),
            (Cell::GcPhase, 4),
            (Cell::HeapLive, 8),
        ];
        let copies = Copies::new(cells);
        let get = |cell| copies.get(Copied(&bytes), cell);
        assert_eq!(
            get(Cell::GcPercent),
            Some(u64::MAX),
            "widened with its sign"
        );
        assert_eq!(get(Cell::GcPhase), Some(u64::from(u32::MAX)));
        assert_eq!(get(Cell::HeapLive), Some(u64::MAX));
        assert_eq!(get(Cell::MaxProcs), None);
    }
}
