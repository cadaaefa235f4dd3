//! Where Vault is, and how one logs in.

use std::{fs, path::PathBuf};

use super::super::ProviderError;
use crate::{Secret, Trust};

/// Bytes of the longest token.
const MOST: u64 = 64 * 1024;

/// Where Vault is, and which key of it to use.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// `https://vault:8200`.
    pub address: String,
    /// Where the Transit engine is mounted, usually `transit`.
    pub mount: String,
    /// Name of its key.
    pub key: String,
    /// How one logs in.
    pub token: VaultToken,
    /// Namespace of Vault; empty for the root.
    pub namespace: String,
    /// How it proves itself, and how we do.
    pub trust: Trust,
}

/// A token of Vault.
#[derive(Clone, Debug)]
pub enum VaultToken {
    /// The token itself.
    Given(Secret),
    /// A file that somebody else renews; it is read for every call.
    File(PathBuf),
}

impl VaultToken {
    pub(super) fn read(&self) -> Result<Secret, ProviderError> {
        let path = match self {
            Self::Given(token) => return Ok(token.clone()),
            Self::File(path) => path,
        };
        let unusable = |reason: String| ProviderError::File {
            path: path.clone(),
            reason,
        };
        let size = fs::metadata(path).map(|found| found.len());
        if size.is_ok_and(|size| size > MOST) {
            return Err(unusable("it is too long for a token".to_owned()));
        }
        let text = fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let text = Secret::new(text);
        match text.expose().trim() {
            "" => Err(unusable("it is empty".to_owned())),
            token => Ok(Secret::new(token.to_owned())),
        }
    }
}
