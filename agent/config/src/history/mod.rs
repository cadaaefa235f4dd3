//! Generations in the node's durable state: what they were made of, what they changed, what became of them.
//!
//! A generation is kept as the bytes of its sources, still sealed. Whoever goes back to it takes the same
//! way through the pipeline as new content.

mod archive;
mod record;
mod rows;

use state::Table;

use crate::DocumentId;

pub(crate) use archive::unpinned;
pub use archive::{Archive, ArchiveError, Position};
pub use record::{Cause, Generation, Layer, Outcome, PartRecord};
pub(crate) use rows::{
    Standing, content_hash, generation, generations, layers, put, served, set_outcome,
    set_standing, standing,
};

/// The generation of each document that is in force; written when that changes and at no other time, so
/// that its revision is what watchers wait for.
pub(crate) const SERVED: Table = Table::foreign(16).with_tombstones();

/// Which generation is good, and whether the document is pinned.
const STANDING: Table = Table::foreign(17);

/// Generations: document, 0, number.
const GENERATIONS: Table = Table::foreign(18);

/// Bytes of parts: document, 0, their SHA-256.
const CONTENTS: Table = Table::foreign(19);

/// Generations that are kept of a document.
pub(crate) const KEPT: usize = 100;

/// Key of a document's rows.
pub(crate) fn key(id: &DocumentId) -> Vec<u8> {
    id.to_string().into_bytes()
}

/// Beginning of the keys of a document's many rows.
fn prefix(id: &DocumentId) -> Vec<u8> {
    let mut key = key(id);
    key.push(0);
    key
}
