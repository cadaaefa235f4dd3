//! Why a value was not sealed or opened. No message holds a part of a value or of a key.

use std::{io, path::PathBuf};

use super::{BadKid, Kid};

/// Why a value was not sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text does not have the form of a sealed value.
    #[error("not of the form ENC[v1,KID,BASE64] or ENC[seed,KID,BASE64]: {reason}")]
    Form {
        /// What is wrong.
        reason: &'static str,
    },
    /// The name of the key cannot be one.
    #[error(transparent)]
    Kid(#[from] BadKid),
    /// The name of the namespace would make it unclear what a value is bound to.
    #[error("the namespace {0:?} has a `|` in it, which sealed values cannot be bound to")]
    Namespace(String),
    /// No such key is in the keyring.
    #[error("no key {kid} is in the keyring")]
    UnknownKey {
        /// Name of the key.
        kid: Kid,
    },
    /// The key is older than the oldest that is still good.
    #[error("the key {kid} is retired: the oldest that is good is {oldest}")]
    Retired {
        /// Name of the key.
        kid: Kid,
        /// The oldest good one.
        oldest: Kid,
    },
    /// The value was altered or moved, or was sealed with another key of this name.
    #[error(
        "the value does not belong here: it was altered, sealed for another namespace or path, or with another key {kid}"
    )]
    Forged {
        /// Name of the key it claims.
        kid: Kid,
    },
    /// What was sealed is not UTF-8.
    #[error("what was sealed is not text")]
    NotText,
    /// The value is too long.
    #[error("a value may have {most} bytes at most")]
    TooLong {
        /// The bound.
        most: usize,
    },
    /// There is no key to seal with.
    #[error("the keyring is empty: make a first key with `golens config encrypt --new-key`")]
    NoKey,
    /// The newest key has sealed all that it may.
    #[error(
        "the key {kid} has sealed {sealed} values, of 2^20 that one key may: make the next with `golens config encrypt --new-key`"
    )]
    Exhausted {
        /// Name of the key.
        kid: Kid,
        /// Values that it has sealed.
        sealed: u64,
    },
    /// A key of this name is there already.
    #[error("a key {kid} is in the keyring already")]
    KeyExists {
        /// Name of the key.
        kid: Kid,
    },
    /// The keyring cannot be read or written.
    #[error("cannot use the keyring {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The keyring is not what it should be.
    #[error("the keyring {} is damaged: {reason}", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system gave no random numbers or no memory.
    #[error("the system gave no {0}")]
    System(&'static str),
    /// The provider of the wrapping key failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl SecretError {
    /// Whether the same text may open later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Provider(ProviderError::Unreachable { .. }) | Self::System(_)
        )
    }

    /// A word from a fixed set, for metrics and log fields.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Form { .. } | Self::Kid(_) => "form",
            Self::Namespace(_) => "namespace",
            Self::UnknownKey { .. } => "unknown_key",
            Self::Retired { .. } => "retired_key",
            Self::Forged { .. } => "forged",
            Self::NotText => "not_text",
            Self::TooLong { .. } => "too_long",
            Self::NoKey | Self::KeyExists { .. } | Self::Exhausted { .. } => "keyring",
            Self::File { .. } | Self::Keyring { .. } => "keyring_file",
            Self::System(_) => "system",
            Self::Provider(_) => "provider",
        }
    }
}

/// Why a provider did not wrap or unwrap a data key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// It cannot be reached, or is sealed, overloaded or without a leader.
    #[error("{provider} cannot be reached: {reason}")]
    Unreachable {
        /// Which provider.
        provider: String,
        /// Why.
        reason: String,
    },
    /// It was reached and said no.
    #[error("{provider} refused: {reason}")]
    Refused {
        /// Which provider.
        provider: String,
        /// Its own words.
        reason: String,
    },
    /// The wrapped key is damaged, or was wrapped by another key.
    #[error("{provider} cannot unwrap the data key {kid}: damaged, or wrapped by another key")]
    Unwrap {
        /// Which provider.
        provider: String,
        /// Name of the data key.
        kid: Kid,
    },
    /// The file with the wrapping key, or one with a token or certificate, cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
