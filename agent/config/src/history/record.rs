//! What is kept of a generation.

use serde::{Deserialize, Serialize};

use crate::{Content, Diff, Format, SourceId, Version};

/// A generation of a document, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// When it was applied, ms since 1970.
    pub time_ms: u64,
    /// SHA-256 of everything its sources said.
    pub content_hash: String,
    /// What it was made of, lowest precedence first.
    pub layers: Vec<Layer>,
    /// Why there is this generation.
    pub cause: Cause,
    /// Who made it: `config` when a source changed.
    pub actor: String,
    /// Their words.
    pub reason: String,
    /// What it changed, masked.
    pub diff: Diff,
    /// What became of it.
    pub outcome: Outcome,
}

/// Why there is a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A source changed.
    Change,
    /// Somebody went back to this generation.
    Rollback(u64),
    /// This generation did not work well.
    TakeBack(u64),
    /// At the start the sources could not be used, and this generation was the last good one.
    LastKnownGood(u64),
}

/// What became of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its health window has not passed.
    Unproven,
    /// It worked well until its health window passed.
    Good,
    /// It was taken back.
    TakenBack,
}

/// What a source contributed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The source.
    pub source: SourceId,
    /// The version of its content.
    pub version: Version,
    /// The parts, whose bytes are kept by their hashes.
    pub parts: Vec<PartRecord>,
}

/// A part without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// The file, key or variable.
    pub name: String,
    /// Where in the document it belongs.
    pub at: Vec<String>,
    /// How to read it.
    pub format: Format,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

impl Layer {
    pub(super) fn of(source: &SourceId, content: &Content) -> Self {
        let part = |part: &crate::Part| PartRecord {
            name: part.name.clone(),
            at: part.at.clone(),
            format: part.format,
            sha256: state::sha256_hex(&part.bytes),
        };
        Self {
            source: source.clone(),
            version: content.version.clone(),
            parts: content.parts.iter().map(part).collect(),
        }
    }
}
