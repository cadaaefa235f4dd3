//! Sealed values: how they look, who can open them, and which keys seal new ones.
//!
//! A value is sealed with a data key by AES-256-GCM and written `ENC[v1,KID,BASE64]`. Data keys are kept in
//! a [`Keyring`] file, each wrapped by a key that only a [`Provider`] has: a key file of the node
//! ([`KeyFile`]) or Vault's Transit API ([`VaultTransit`]). The file is worth nothing without the provider,
//! so it travels with the configuration.
//!
//! [`Keys`] unwraps a data key once and keeps it for an hour in memory that is locked, left out of core
//! dumps and cleared afterwards. [`Secrets`] opens what the pipeline finds.

mod cipher;
mod error;
mod file;
mod key_file;
mod keyring;
mod keys;
mod locked;
mod opener;
mod provider;
mod sealed;
mod vault;

pub use error::{ProviderError, SecretError};
pub use file::SealedFileError;
pub use key_file::KeyFile;
pub use keyring::{Keyring, WrappedKey};
pub use keys::Keys;
pub use locked::Locked;
pub use opener::Secrets;
pub use provider::Provider;
pub use sealed::{BadKid, Kid, Layout, Sealed};
pub use vault::{VaultSettings, VaultToken, VaultTransit};
