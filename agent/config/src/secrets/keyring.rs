//! The file of wrapped data keys.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{Kid, SecretError};

/// Version of the file's format.
const FORMAT: u32 = 1;
/// Bytes of the largest file that is read.
const MOST: u64 = 1024 * 1024;
/// Values that one key seals at most. Nonces are random: with so few, that two of them are the same is out of
/// the question (2^-57).
const SEALED_MOST: u64 = 1 << 20;

/// Data keys, oldest first. The last one seals new values; those from `min_kid` on can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyring {
    format: u32,
    /// The oldest key that is still good; without it all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min_kid: Option<Kid>,
    keys: Vec<WrappedKey>,
}

/// A data key that only its provider can unwrap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrappedKey {
    /// Its name.
    pub kid: Kid,
    /// What the provider made of it.
    pub wrapped: String,
    /// When it was made, seconds since 1970.
    pub created: u64,
    /// Values that it has sealed, or was about to.
    #[serde(default)]
    pub sealed: u64,
}

impl Default for Keyring {
    fn default() -> Self {
        Self {
            format: FORMAT,
            min_kid: None,
            keys: Vec::new(),
        }
    }
}

impl Keyring {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not a keyring of this format in which every name is used once.
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let unreadable = |source| SecretError::File {
            path: path.to_owned(),
            source,
        };
        let size = fs::metadata(path).map_err(unreadable)?.len();
        if size > MOST {
            return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let damaged = |reason: String| SecretError::Keyring {
            path: path.to_owned(),
            reason,
        };
        let ring: Self = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        match ring.fault() {
            Some(fault) => Err(damaged(fault)),
            None => Ok(ring),
        }
    }

    /// Changes the keyring at `path` while nobody else does, and returns it with what `change` returned.
    /// Without a file there, `otherwise` is what is changed.
    ///
    /// # Errors
    /// Those of `change`, or when the file cannot be read or written; then nothing has changed.
    pub(super) fn update<T>(
        path: &Path,
        otherwise: &Self,
        change: impl FnOnce(&mut Self) -> Result<T, SecretError>,
    ) -> Result<(Self, T), SecretError> {
        let unusable = |source| SecretError::File {
            path: path.to_owned(),
            source,
        };
        // A file of its own: the keyring's is replaced.
        let turn = File::create(path.with_extension("lock")).map_err(unusable)?;
        turn.lock().map_err(unusable)?;
        let mut ring = match Self::load(path) {
            Err(SecretError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                otherwise.clone()
            }
            loaded => loaded?,
        };
        let changed = change(&mut ring)?;
        ring.save(path)?;
        Ok((ring, changed))
    }

    /// Writes a file beside `path` and takes its place, so that a reader finds the old or the new one whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), SecretError> {
        let write = || {
            let next = path.with_extension("next");
            let mut file = File::create(&next)?;
            let text = serde_json::to_string_pretty(self)?;
            writeln!(file, "{text}")?;
            file.sync_all()?;
            fs::rename(&next, path)
        };
        write().map_err(|source| SecretError::File {
            path: path.to_owned(),
            source,
        })
    }

    fn fault(&self) -> Option<String> {
        if self.format != FORMAT {
            return Some(format!("its format is {}, not {FORMAT}", self.format));
        }
        let is_twice = |(nth, key): (usize, &WrappedKey)| {
            let earlier = self.keys.iter().take(nth);
            earlier.map(|it| &it.kid).any(|kid| *kid == key.kid)
        };
        if let Some((_, key)) = self.keys.iter().enumerate().find(|it| is_twice(*it)) {
            return Some(format!("the key {} is in it twice", key.kid));
        }
        let oldest = self.min_kid.as_ref()?;
        let missing = self.position(oldest).is_none();
        missing.then(|| format!("its min_kid {oldest} is not in it"))
    }

    /// The keys, oldest first.
    #[must_use]
    pub fn keys(&self) -> &[WrappedKey] {
        &self.keys
    }

    /// A key that is there and not retired.
    ///
    /// # Errors
    /// `UnknownKey` and `Retired`.
    pub fn key(&self, kid: &Kid) -> Result<&WrappedKey, SecretError> {
        let unknown = || SecretError::UnknownKey { kid: kid.clone() };
        let position = self.position(kid).ok_or_else(unknown)?;
        if let Some(oldest) = &self.min_kid
            && self.position(oldest) > Some(position)
        {
            return Err(SecretError::Retired {
                kid: kid.clone(),
                oldest: oldest.clone(),
            });
        }
        self.keys.get(position).ok_or_else(unknown)
    }

    /// Adds a key, which seals new values from now on.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn add(&mut self, key: WrappedKey) -> Result<(), SecretError> {
        if self.position(&key.kid).is_some() {
            return Err(SecretError::KeyExists { kid: key.kid });
        }
        self.keys.push(key);
        Ok(())
    }

    /// Notes that the newest key is about to seal `count` values, and returns its name.
    ///
    /// # Errors
    /// When there is no key, or it would have sealed more than 2^20 values then.
    pub fn reserve(&mut self, count: u64) -> Result<Kid, SecretError> {
        let key = self.keys.last_mut().ok_or(SecretError::NoKey)?;
        let sealed = key.sealed.saturating_add(count);
        if sealed > SEALED_MOST {
            return Err(SecretError::Exhausted {
                kid: key.kid.clone(),
                sealed: key.sealed,
            });
        }
        key.sealed = sealed;
        Ok(key.kid.clone())
    }

    /// Replaces what the provider made of a key.
    pub fn replace(&mut self, kid: &Kid, wrapped: String) {
        if let Some(key) = self.keys.iter_mut().find(|key| key.kid == *kid) {
            key.wrapped = wrapped;
        }
    }

    /// Retires all keys that are older than `kid`.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn retire_before(&mut self, kid: &Kid) -> Result<(), SecretError> {
        match self.position(kid) {
            Some(_) => self.min_kid = Some(kid.clone()),
            None => return Err(SecretError::UnknownKey { kid: kid.clone() }),
        }
        Ok(())
    }

    /// A name that no key has: `k1`, `k2`, ...
    #[must_use]
    pub fn next_kid(&self) -> Kid {
        let mut number = self.keys.len() + 1;
        while self.position(&Kid::numbered(number)).is_some() {
            number += 1;
        }
        Kid::numbered(number)
    }

    fn position(&self, kid: &Kid) -> Option<usize> {
        self.keys.iter().position(|key| key.kid == *kid)
    }
}
