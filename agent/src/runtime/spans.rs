//! What to copy of the variables that never move: those that lie close together in one piece.

use super::memory::Place;

/// Bytes between two variables that are cheaper copied than left out: a piece of its own takes the kernel as
/// long as 2.5 KB. Less than a page, so that no page is touched that holds nothing wanted.
const GAP: u64 = 2_560;

/// The pieces, in the order of their addresses.
#[derive(Debug, Default)]
pub(super) struct Spans(Vec<Place>);

impl Spans {
    /// Pieces that hold all that is wanted.
    pub(super) fn of(wanted: impl IntoIterator<Item = Place>) -> Self {
        let mut wanted: Vec<Place> = wanted.into_iter().collect();
        wanted.sort_unstable();
        let mut spans: Vec<Place> = Vec::new();
        for (address, length) in wanted {
            let joined = spans.last_mut().is_some_and(|(start, whole)| {
                match reach(*start, *whole, address, length) {
                    Some(longer) => {
                        *whole = longer;
                        true
                    }
                    None => false,
                }
            });
            if !joined {
                spans.push((address, length));
            }
        }
        Self(spans)
    }

    /// The pieces.
    pub(super) fn places(&self) -> &[Place] {
        &self.0
    }

    /// Where in a copy of all pieces the byte at an address is; past its end when it was not wanted.
    pub(super) fn find(&self, address: u64) -> usize {
        let mut before = 0;
        for (start, length) in &self.0 {
            let inside = address
                .checked_sub(*start)
                .and_then(|at| usize::try_from(at).ok());
            match inside {
                Some(inside) if inside < *length => return before + inside,
                _ => before += length,
            }
        }
        before
    }
}

/// How long a piece is that holds another one, too; none when that begins too far behind it.
fn reach(start: u64, whole: usize, address: u64, length: usize) -> Option<usize> {
    let inside = address.checked_sub(start)?;
    let gap = inside.saturating_sub(u64::try_from(whole).ok()?);
    let end = usize::try_from(inside).ok()?.checked_add(length)?;
    (gap <= GAP).then(|| end.max(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_piece_and_are_found_in_it() {
        let wanted = [(9_000, 8), (100, 8), (2_668, 4), (104, 2), (6_000, 4)];
        let spans = Spans::of(wanted);
        assert_eq!(spans.places(), [(100, 2_572), (6_000, 4), (9_000, 8)]);
        let found = [100, 2_668, 6_000, 9_000, 9_007].map(|address| spans.find(address));
        assert_eq!(found, [0, 2_568, 2_572, 2_576, 2_583]);
        assert_eq!(
            [8_999, 9_008].map(|address| spans.find(address)),
            [2_584, 2_584]
        );
    }
}
