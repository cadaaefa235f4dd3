//! All tokens in memory: callers show one with every call, and a call must not wait for the disk.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
    time::SystemTime,
};

use super::{
    Rights,
    token::{Token, hashed, unix_ms},
};
use crate::{EngineError, Rows, sha256_hex};

/// Somebody whose token is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Accessor of the token.
    pub accessor: Arc<str>,
    /// What it allows.
    pub rights: Arc<Rights>,
}

/// Tokens by the hash of their secret, as they are on disk.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    tokens: RwLock<HashMap<Vec<u8>, Held>>,
}

#[derive(Debug)]
struct Held {
    bearer: Bearer,
    expires_ms: Option<u64>,
}

impl Keyring {
    pub(crate) fn load(rows: &(impl Rows + ?Sized)) -> Result<Self, EngineError> {
        let ring = Self::default();
        ring.reload(rows)?;
        Ok(ring)
    }

    /// Replaces all of them.
    pub(crate) fn reload(&self, rows: &(impl Rows + ?Sized)) -> Result<(), EngineError> {
        let tokens = hashed(rows)?.into_iter();
        let tokens = tokens.map(|(hash, token)| (hash, Held::from(token)));
        *self.write() = tokens.collect();
        Ok(())
    }

    pub(super) fn insert(&self, hash: Vec<u8>, token: Token) {
        self.write().insert(hash, token.into());
    }

    pub(super) fn remove(&self, hash: &[u8]) {
        self.write().remove(hash);
    }

    /// Who shows `secret`, if it is good at `now`.
    pub(crate) fn bearer(&self, secret: &str, now: SystemTime) -> Option<Bearer> {
        let hash = sha256_hex(secret.as_bytes());
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let held = tokens.get(hash.as_bytes())?;
        let is_good = held.expires_ms.is_none_or(|end| unix_ms(now) < end);
        is_good.then(|| held.bearer.clone())
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Vec<u8>, Held>> {
        self.tokens.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Token> for Held {
    fn from(token: Token) -> Self {
        Self {
            expires_ms: token.expires_ms,
            bearer: Bearer {
                accessor: token.accessor.into(),
                rights: Arc::new(token.rights),
            },
        }
    }
}
