//! Names to table rows without keeping the names: 8 bytes per row.

use crate::budget::{Budget, Exhausted, MAX_NAME};

/// How often a byte may be part of names: linkers let a name be the end of another one.
const SHARED: usize = 4;
/// Bytes that the names of even the smallest table may have.
const LEAST: usize = 64 * 1024;

/// Rows ordered by a hash of their name.
#[derive(Debug)]
pub(crate) struct NameIndex(Vec<(u32, u32)>);

impl NameIndex {
    /// Hashes the names of all rows; a row without a readable name costs as much as the search for its end.
    ///
    /// `length` is that of the bytes in which the names lie. Names that share more of it than linkers let
    /// them make the table unusable: neither index nor answers may be a multiple of the file.
    pub(crate) fn build<'d>(
        rows: impl Iterator<Item = (u32, Option<&'d [u8]>)>,
        length: usize,
        budget: &Budget,
    ) -> Result<Self, Exhausted> {
        let limit = length.saturating_mul(SHARED).saturating_add(LEAST);
        let mut left = limit;
        let mut order = Vec::new();
        for (row, name) in rows {
            let length = name.map_or(MAX_NAME, <[u8]>::len);
            budget.name(length)?;
            left = left.checked_sub(length).ok_or(Exhausted {
                what: "bytes of names that lie in each other",
                limit: limit as u64,
            })?;
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                order.push((hash(name), row));
            }
        }
        order.sort_unstable();
        Ok(Self(order))
    }

    /// Lists the rows whose name may be `name`; the caller compares.
    pub(crate) fn candidates(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let wanted = hash(name);
        let start = self.0.partition_point(|&(hash, _)| hash < wanted);
        let rows = self.0.get(start..).unwrap_or_default();
        rows.iter()
            .take_while(move |&&(hash, _)| hash == wanted)
            .map(|&(_, row)| row)
    }
}

/// FNV-1a.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash: u32, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Limits;

    fn build(names: &[&'static [u8]], length: usize) -> Result<NameIndex, Exhausted> {
        let rows = (0..).zip(names.iter().copied().map(Some));
        NameIndex::build(rows, length, &Budget::new(Limits::default()))
    }

    #[test]
    fn names_that_lie_in_each_other_make_no_index() {
        let name = &[b'a'; 4000][..];
        assert!(build(&[name; 16], 4000).is_ok());
        let refused = build(&[name; 64], 4000).unwrap_err();
        let limit = 4 * 4000 + LEAST as u64;
        let what = "bytes of names that lie in each other";
        assert_eq!(refused, Exhausted { what, limit });
    }

    #[test]
    fn all_rows_of_a_name_are_candidates() {
        let names: [&[u8]; 4] = [b"a", b"b", b"a", b"c"];
        let index = build(&names, 4).unwrap();
        assert_eq!(index.candidates(b"a").collect::<Vec<_>>(), [0, 2]);
        assert_eq!(index.candidates(b"d").count(), 0);
    }
}
