//! Forgetting old tombstones.

use std::ops::ControlFlow;

use super::{meta, tx::Staged};
use crate::{EngineError, Revision, Table, engine::View, rows::Record};

/// More tombstones than this are not kept.
pub(super) const MOST: usize = 16_384;

/// Stages the removal of the older half of all tombstones, and notes up to which revision they are gone:
/// the indexes of absent rows and of prefixes rise to that, so none goes back. Nobody is woken by it; whoever
/// asks next with an older index is answered at once, one time. Returns how many are left.
pub(super) fn reap(
    view: &dyn View,
    staged: &mut Staged,
    at: Revision,
    count: usize,
) -> Result<usize, EngineError> {
    let table = Table::GRAVES.key(&[]);
    let mut oldest = Vec::new();
    view.scan(&table, &mut |key, _| {
        if !key.starts_with(&table) || oldest.len() >= MOST / 2 {
            return ControlFlow::Break(());
        }
        oldest.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    let mut reaped = Revision::FIRST;
    for grave in &oldest {
        let Some((stamp, row)) = grave.get(1..).and_then(|key| key.split_first_chunk::<8>()) else {
            return Err(EngineError::Corrupt {
                reason: "a tombstone without a revision".to_owned(),
            });
        };
        reaped = Revision(u64::from_be_bytes(*stamp));
        staged.insert(grave.clone(), None);
        // The row may have been deleted again since: then the newer tombstone stays.
        let tombstone = Table::TOMBSTONES.key(row);
        let is_this = match (staged.get(&tombstone), view.get(&tombstone)?) {
            (None, Some(value)) => Record::decode(&value)?.revision == reaped,
            _ => false,
        };
        if is_this {
            staged.insert(tombstone, None);
        }
    }
    let (key, value) = meta::reaped_row(at, reaped);
    staged.insert(key, value);
    Ok(count.saturating_sub(oldest.len()))
}
