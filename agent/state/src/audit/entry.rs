//! Entries and their hashes.

use serde::{Deserialize, Serialize};

use crate::{
    Revision,
    digest::{Sha256, hex},
};

/// What is to be noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who did it.
    pub actor: String,
    /// What, in one word, such as `token.issue`.
    pub action: String,
    /// To what.
    pub target: String,
    /// What came of it, such as `done` or `denied`.
    pub outcome: String,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Number, from 1.
    pub number: u64,
    /// When, ms since 1970.
    pub time_ms: u64,
    /// Who did it.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// What came of it.
    pub outcome: String,
    /// Revision of the change.
    pub revision: Revision,
    /// Hash of the entry before, in hexadecimal; empty for the first.
    pub previous: String,
    /// Hash of this entry, see [`Entry::seal`].
    pub hash: String,
}

impl Entry {
    /// SHA-256 over all other fields: numbers as 8 bytes, big-endian; texts as their length in 8 bytes and
    /// their bytes; in the order of the fields.
    pub fn seal(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.number.to_be_bytes());
        hash.update(&self.time_ms.to_be_bytes());
        let texts = [&self.actor, &self.action, &self.target, &self.outcome];
        for text in texts {
            hash.update(&(text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(&self.revision.0.to_be_bytes());
        hash.update(&(self.previous.len() as u64).to_be_bytes());
        hash.update(self.previous.as_bytes());
        hex(&hash.finish())
    }
}
