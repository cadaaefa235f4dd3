//! Names to table rows without keeping the names: 8 bytes per row.

use crate::budget::{Budget, MAX_NAME};
use crate::error::Reason;

/// Rows ordered by a hash of their name.
#[derive(Debug)]
pub(crate) struct NameIndex(Vec<(u32, u32)>);

impl NameIndex {
    /// Hashes the names of all rows; a row without a readable name costs as much as the search for its end.
    pub(crate) fn build<'d>(
        rows: impl Iterator<Item = (u32, Option<&'d [u8]>)>,
        budget: &Budget,
    ) -> Result<Self, Reason> {
        let mut order = Vec::new();
        for (row, name) in rows {
            budget.name(name.map_or(MAX_NAME, <[u8]>::len))?;
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

    #[test]
    fn all_rows_of_a_name_are_candidates() {
        let names: [&[u8]; 4] = [b"a", b"b", b"a", b"c"];
        let index =
            NameIndex::build((0..).zip(names.map(Some)), &Budget::new(Limits::default())).unwrap();
        assert_eq!(index.candidates(b"a").collect::<Vec<_>>(), [0, 2]);
        assert_eq!(index.candidates(b"d").count(), 0);
    }
}
