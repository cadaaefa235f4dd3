//! Generations in the node's durable state.

use state::Table;

use crate::DocumentId;

/// The generation of each document that is in force; written when that changes and at no other time, so
/// that its revision is what watchers wait for.
pub(crate) const SERVED: Table = Table::foreign(16).with_tombstones();

/// Key of a document's rows.
pub(crate) fn key(id: &DocumentId) -> Vec<u8> {
    id.to_string().into_bytes()
}
