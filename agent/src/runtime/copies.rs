//! Copies of the single numbers: those that lie close together are copied in one piece.

use super::{
    RuntimeFacts,
    cells::{Cell, Width},
    memory::Piece,
};

/// Bytes between two numbers that are cheaper copied than left out.
const GAP: u64 = 512;

/// The copied numbers.
#[derive(Debug)]
pub(super) struct Copies {
    spans: Vec<Piece>,
    /// By cell: which span it is in, and where; none when the binary does not tell its place.
    places: Vec<Option<(usize, usize)>>,
}

impl Copies {
    /// Plans them for all cells that are wanted.
    pub(super) fn new(facts: &RuntimeFacts, base: u64, wants: impl Fn(Cell) -> bool) -> Self {
        let mut cells: Vec<(u64, Cell)> = facts
            .cells
            .iter()
            .filter(|(cell, _)| wants(**cell))
            .map(|(cell, address)| (base.wrapping_add(*address), *cell))
            .collect();
        cells.sort_unstable();
        let mut places = vec![None; Cell::ALL.len()];
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (address, cell) in cells {
            let end = address.saturating_add(u64::from(cell.place().width.bytes()));
            match ranges.last_mut() {
                Some((_, last)) if address.saturating_sub(*last) <= GAP => *last = end.max(*last),
                _ => ranges.push((address, end)),
            }
            let start = ranges.last().map_or(address, |(start, _)| *start);
            let within = usize::try_from(address - start).unwrap_or(usize::MAX);
            if let Some(place) = places.get_mut(cell as usize) {
                *place = Some((ranges.len() - 1, within));
            }
        }
        let span = |(start, end): (u64, u64)| {
            Piece::new(start, usize::try_from(end - start).unwrap_or_default())
        };
        Self {
            spans: ranges.into_iter().map(span).collect(),
            places,
        }
    }

    pub(super) fn pieces(&mut self) -> impl Iterator<Item = &mut Piece> {
        self.spans.iter_mut()
    }

    /// The number as copied last.
    pub(super) fn get(&self, cell: Cell) -> Option<u64> {
        let (span, within) = (*self.places.get(cell as usize)?)?;
        let piece = self.spans.get(span)?;
        Some(match cell.place().width {
            Width::Four => u64::from(piece.u32_at(within)),
            Width::Signed => i64::from(piece.u32_at(within).cast_signed()).cast_unsigned(),
            Width::Eight => piece.u64_at(within),
        })
    }
}
