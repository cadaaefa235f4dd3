//! How a key is stored.

use crate::{EngineError, Revision};

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, without its namespace.
    pub key: String,
    /// Any bytes.
    pub value: Vec<u8>,
    /// A number of the client's own.
    pub flags: u64,
    /// How often the key was locked.
    pub lock_index: u64,
    /// The session that holds the lock.
    pub session: Option<String>,
    /// Revision that made the key.
    pub create_index: Revision,
    /// Revision of the last change.
    pub modify_index: Revision,
}

/// First byte of a row of this layout: create index, flags, lock index (u64 each, big-endian), length of
/// the session (u8), session, value.
const LAYOUT: u8 = 1;

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let session = self.session.as_deref().unwrap_or_default();
        let mut row = Vec::with_capacity(32 + session.len() + self.value.len());
        row.push(LAYOUT);
        for number in [self.create_index.0, self.flags, self.lock_index] {
            row.extend_from_slice(&number.to_be_bytes());
        }
        // Ids of sessions are UUIDs, 36 bytes.
        row.push(u8::try_from(session.len()).unwrap_or(0));
        row.extend_from_slice(session.as_bytes());
        row.extend_from_slice(&self.value);
        row
    }

    pub(super) fn decode(
        key: String,
        modify_index: Revision,
        row: &[u8],
    ) -> Result<Self, EngineError> {
        let parsed = parse(row).ok_or_else(|| EngineError::Corrupt {
            reason: format!("the row of key {key:?}"),
        })?;
        let (create, flags, lock_index, session, value) = parsed;
        Ok(Self {
            key,
            value: value.to_vec(),
            flags,
            lock_index,
            session: (!session.is_empty()).then(|| session.to_owned()),
            create_index: Revision(create),
            modify_index,
        })
    }
}

fn parse(row: &[u8]) -> Option<(u64, u64, u64, &str, &[u8])> {
    let (&layout, row) = row.split_first()?;
    if layout != LAYOUT {
        return None;
    }
    let (create, row) = row.split_first_chunk()?;
    let (flags, row) = row.split_first_chunk()?;
    let (lock_index, row) = row.split_first_chunk()?;
    let (&length, row) = row.split_first()?;
    let (session, value) = row.split_at_checked(usize::from(length))?;
    Some((
        u64::from_be_bytes(*create),
        u64::from_be_bytes(*flags),
        u64::from_be_bytes(*lock_index),
        std::str::from_utf8(session).ok()?,
        value,
    ))
}

/// Key of the row: namespace, 0, key.
pub(crate) fn row_key(namespace: &str, key: &str) -> Vec<u8> {
    [namespace.as_bytes(), &[0], key.as_bytes()].concat()
}
