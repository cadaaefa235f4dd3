//! Tokens: only their hashes are stored.

use std::{
    ops::ControlFlow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Rights;
use crate::{EngineError, Rows, Table, Tx, WriteError, random_hex, random_uuid, sha256_hex};

/// What a token is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// For people.
    pub description: String,
    /// What it allows.
    pub rights: Rights,
    /// It allows nothing any more after this time.
    pub lifetime: Option<Duration>,
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// A UUID to speak of it; good for nothing else.
    pub accessor: String,
    /// For people.
    pub description: String,
    /// What it allows.
    pub rights: Rights,
    /// When it was made, ms since 1970.
    pub created_ms: u64,
    /// When it ends, ms since 1970.
    pub expires_ms: Option<u64>,
}

/// A token with its secret, which is told this once.
#[derive(Clone)]
pub struct Issued {
    /// What the caller shows.
    pub secret: String,
    /// The rest.
    pub token: Token,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued")
            .field("secret", &"***")
            .field("token", &self.token)
            .finish()
    }
}

/// Why a token was not issued or revoked.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The system has no random numbers to give.
    #[error("no random numbers for a secret")]
    Random,
    /// There is no such token.
    #[error("there is no token {0:?}")]
    Unknown(String),
    /// The state could not be read or written.
    #[error(transparent)]
    State(#[from] WriteError),
}

impl From<EngineError> for TokenError {
    fn from(error: EngineError) -> Self {
        Self::State(error.into())
    }
}

/// Makes a token. The secret has 256 random bits, so its plain SHA-256 is as good as a slow hash.
///
/// # Errors
/// When the system has no random numbers.
pub fn issue(tx: &mut Tx<'_>, new: NewToken) -> Result<Issued, TokenError> {
    let secret = random_hex::<32>().ok_or(TokenError::Random)?;
    let now = unix_ms(SystemTime::now());
    let lifetime = new.lifetime.map(|lifetime| lifetime.as_millis());
    let token = Token {
        accessor: random_uuid().ok_or(TokenError::Random)?,
        description: new.description,
        rights: new.rights,
        created_ms: now,
        expires_ms: lifetime.map(|ms| now.saturating_add(u64::try_from(ms).unwrap_or(u64::MAX))),
    };
    let row = serde_json::to_vec(&token).map_err(|error| EngineError::Other {
        reason: error.to_string(),
    })?;
    let hash = sha256_hex(secret.as_bytes()).into_bytes();
    tx.put(Table::TOKENS, &hash, &row);
    let held = token.clone();
    tx.on_commit_live(move |live| live.keyring.insert(hash, held));
    Ok(Issued { secret, token })
}

/// All tokens, expired ones included, in no order that means anything.
///
/// # Errors
/// When the state cannot be read.
pub fn list(rows: &(impl Rows + ?Sized)) -> Result<Vec<Token>, EngineError> {
    Ok(hashed(rows)?.into_iter().map(|(_, token)| token).collect())
}

/// Ends a token.
///
/// # Errors
/// When there is none with this accessor.
pub fn revoke(tx: &mut Tx<'_>, accessor: &str) -> Result<Token, TokenError> {
    let tokens = hashed(tx)?;
    let found = tokens
        .into_iter()
        .find(|(_, token)| token.accessor == accessor);
    let (hash, token) = found.ok_or_else(|| TokenError::Unknown(accessor.to_owned()))?;
    tx.delete(Table::TOKENS, &hash)?;
    tx.on_commit_live(move |live| live.keyring.remove(&hash));
    Ok(token)
}

/// Hash of the secret, and token.
pub(super) fn hashed(rows: &(impl Rows + ?Sized)) -> Result<Vec<(Vec<u8>, Token)>, EngineError> {
    let mut tokens = Vec::new();
    rows.scan(Table::TOKENS, &[], &mut |hash, _, row| {
        tokens.push(decode(row).map(|token| (hash.to_vec(), token)));
        ControlFlow::Continue(())
    })?;
    tokens.into_iter().collect()
}

fn decode(row: &[u8]) -> Result<Token, EngineError> {
    serde_json::from_slice(row).map_err(|error| EngineError::Corrupt {
        reason: format!("the row of a token: {error}"),
    })
}

pub(super) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
