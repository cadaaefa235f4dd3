//! Rows of generations.

use std::{collections::BTreeSet, ops::ControlFlow};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use state::{EngineError, Revision, Rows, Tx};

use super::{
    CONTENTS, GENERATIONS, Generation, KEPT, Layer, Outcome, SERVED, STANDING, key, prefix,
};
use crate::{Content, DocumentId, Part, SourceId};

/// Where a document stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// The last generation that worked well.
    pub(crate) good: Option<u64>,
    /// The generation that the document is pinned to.
    pub(crate) pin: Option<u64>,
}

/// SHA-256 of what sources say: their names, and the places, formats and bytes of their parts. Versions and
/// names of parts are left out: the same content under another name is no change.
pub(crate) fn content_hash(layers: &[(SourceId, Content)]) -> String {
    let mut text = String::new();
    for (source, content) in layers {
        text.push_str(&format!("{source}\n"));
        for part in &content.parts {
            let hash = state::sha256_hex(&part.bytes);
            text.push_str(&format!("{:?} {:?} {hash}\n", part.at, part.format));
        }
    }
    state::sha256_hex(text.as_bytes())
}

/// Writes a generation with its contents, puts it in force, and forgets those that are too old.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    id: &DocumentId,
    mut generation: Generation,
    layers: &[(SourceId, Content)],
    standing: Standing,
) -> Result<(), EngineError> {
    for (source, content) in layers {
        generation.layers.push(Layer::of(source, content));
        for part in &content.parts {
            let key = content_key(id, &state::sha256_hex(&part.bytes));
            if tx.get(CONTENTS, &key)?.is_none() {
                tx.put(CONTENTS, &key, &part.bytes);
            }
        }
    }
    let number = generation.number;
    tx.put(
        GENERATIONS,
        &generation_key(id, number),
        &json(&generation)?,
    );
    tx.put(SERVED, &key(id), &number.to_be_bytes());
    set_standing(tx, id, standing)?;
    forget(tx, id, standing)
}

/// Removes the oldest generations, but never the good one, and contents that no other one has.
fn forget(tx: &mut Tx<'_>, id: &DocumentId, standing: Standing) -> Result<(), EngineError> {
    let all = generations(tx, id)?;
    let excess = all.len().saturating_sub(KEPT);
    if excess == 0 {
        return Ok(());
    }
    let (old, kept): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(nth, it)| {
        *nth < excess && standing.good != Some(it.number) && standing.pin != Some(it.number)
    });
    let hashes = |generations: &[(usize, Generation)]| -> BTreeSet<String> {
        let layers = generations.iter().flat_map(|(_, it)| &it.layers);
        let parts = layers.flat_map(|layer| &layer.parts);
        parts.map(|part| part.sha256.clone()).collect()
    };
    for hash in hashes(&old).difference(&hashes(&kept)) {
        tx.delete(CONTENTS, &content_key(id, hash))?;
    }
    for (_, generation) in &old {
        tx.delete(GENERATIONS, &generation_key(id, generation.number))?;
    }
    Ok(())
}

/// The number of the generation that is in force, and the revision since when.
pub(crate) fn served(
    rows: &impl Rows,
    id: &DocumentId,
) -> Result<Option<(u64, Revision)>, EngineError> {
    let Some(record) = rows.get(SERVED, &key(id))? else {
        return Ok(None);
    };
    let number = record.payload.as_slice().try_into();
    let number = number.map_err(|_length| EngineError::Corrupt {
        reason: format!("the generation of {id} is no number"),
    })?;
    Ok(Some((u64::from_be_bytes(number), record.revision)))
}

pub(crate) fn standing(rows: &impl Rows, id: &DocumentId) -> Result<Standing, EngineError> {
    match rows.get(STANDING, &key(id))? {
        Some(record) => decode(&record.payload, id),
        None => Ok(Standing::default()),
    }
}

pub(crate) fn set_standing(
    tx: &mut Tx<'_>,
    id: &DocumentId,
    standing: Standing,
) -> Result<(), EngineError> {
    tx.put(STANDING, &key(id), &json(&standing)?);
    Ok(())
}

/// Notes what became of a generation.
pub(crate) fn set_outcome(
    tx: &mut Tx<'_>,
    id: &DocumentId,
    number: u64,
    outcome: Outcome,
) -> Result<(), EngineError> {
    if let Some(mut generation) = generation(tx, id, number)? {
        generation.outcome = outcome;
        tx.put(
            GENERATIONS,
            &generation_key(id, number),
            &json(&generation)?,
        );
    }
    Ok(())
}

/// One generation; `None` when there never was one, or it is too old.
pub(crate) fn generation(
    rows: &impl Rows,
    id: &DocumentId,
    number: u64,
) -> Result<Option<Generation>, EngineError> {
    let record = rows.get(GENERATIONS, &generation_key(id, number))?;
    record.map(|record| decode(&record.payload, id)).transpose()
}

/// All that are kept, oldest first.
pub(crate) fn generations(
    rows: &impl Rows,
    id: &DocumentId,
) -> Result<Vec<Generation>, EngineError> {
    let mut found = Vec::new();
    let mut failed = None;
    rows.scan(GENERATIONS, &prefix(id), &mut |_, _, payload| {
        match decode(payload, id) {
            Ok(generation) => found.push(generation),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(found), Err)
}

/// What the sources said for a generation.
pub(crate) fn layers(
    rows: &impl Rows,
    id: &DocumentId,
    generation: &Generation,
) -> Result<Vec<(SourceId, Content)>, EngineError> {
    let mut layers = Vec::new();
    for layer in &generation.layers {
        let mut parts = Vec::new();
        for part in &layer.parts {
            let record = rows.get(CONTENTS, &content_key(id, &part.sha256))?;
            let record = record.ok_or_else(|| EngineError::Corrupt {
                reason: format!("generation {} of {id} lacks a content", generation.number),
            })?;
            parts.push(Part {
                name: part.name.clone(),
                at: part.at.clone(),
                format: part.format,
                bytes: record.payload.into(),
            });
        }
        let version = layer.version.clone();
        layers.push((layer.source.clone(), Content { version, parts }));
    }
    Ok(layers)
}

fn generation_key(id: &DocumentId, number: u64) -> Vec<u8> {
    let mut key = prefix(id);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn content_key(id: &DocumentId, sha256: &str) -> Vec<u8> {
    let mut key = prefix(id);
    key.extend_from_slice(sha256.as_bytes());
    key
}

fn decode<T: DeserializeOwned>(row: &[u8], id: &DocumentId) -> Result<T, EngineError> {
    serde_json::from_slice(row).map_err(|error| EngineError::Corrupt {
        reason: format!("a row of {id}: {error}"),
    })
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, EngineError> {
    serde_json::to_vec(value).map_err(|error| EngineError::Other {
        reason: error.to_string(),
    })
}
