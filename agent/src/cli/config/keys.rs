//! Which keys seal and open values: from the settings, or named on the command line.

use std::path::PathBuf;

use ::config::secrets::{Keyring, Keys, SecretError};
use clap::Args;

use super::{super::CliError, secrets::sealing};
use crate::{
    config::{self, KeySettings, Vault},
    documents,
};

/// Where the keys are.
#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// Settings of golens: their section `config.keys` says where the keys are.
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    config: Option<PathBuf>,
    /// File of the wrapped data keys; it is worth nothing without the key that wraps them.
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Keys",
        conflicts_with = "config"
    )]
    keyring: Option<PathBuf>,
    /// The wrapping key in a file of mode 0400: 32 bytes, 64 hexadecimal digits or base64.
    #[arg(long, value_name = "FILE", help_heading = "Keys", conflicts_with_all = ["config", "vault"])]
    key_file: Option<PathBuf>,
    /// Address of the Vault or OpenBao whose Transit engine has the wrapping key.
    #[arg(
        long,
        value_name = "URL",
        help_heading = "Keys",
        requires = "vault_key",
        requires = "vault_token_file"
    )]
    vault: Option<String>,
    /// Name of the key in the Transit engine.
    #[arg(long, value_name = "NAME", help_heading = "Keys")]
    vault_key: Option<String>,
    /// File with a token of Vault, such as the sink of Vault's agent.
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    vault_token_file: Option<PathBuf>,
    /// Where the Transit engine is mounted.
    #[arg(
        long,
        value_name = "PATH",
        help_heading = "Keys",
        default_value = "transit"
    )]
    vault_mount: String,
    /// Namespace of Vault.
    #[arg(long, value_name = "NAME", help_heading = "Keys", default_value = "")]
    vault_namespace: String,
    /// Authority of Vault's certificate, PEM; those of the system without it.
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    vault_authority: Option<PathBuf>,
}

impl KeyArgs {
    /// The keys. A keyring that is not there yet is an empty one, if its first key is to be made.
    pub(super) async fn open(&self, is_new: bool) -> Result<Keys, CliError> {
        let settings = self.settings().await?;
        let provider = documents::provider(&settings).map_err(|source| sealing(source.into()))?;
        let ring = match Keyring::load(&settings.keyring) {
            Err(SecretError::File { source, .. })
                if is_new && source.kind() == std::io::ErrorKind::NotFound =>
            {
                Keyring::default()
            }
            loaded => loaded.map_err(sealing)?,
        };
        Ok(Keys::with_ring(&settings.keyring, ring, provider))
    }

    async fn settings(&self) -> Result<KeySettings, CliError> {
        if let Some(file) = &self.config {
            let config = config::load(Some(file)).await?;
            return config.config.keys.ok_or_else(|| CliError::NoKeys {
                detail: format!("{} has no section config.keys", file.display()),
            });
        }
        let missing = |detail: &str| CliError::NoKeys {
            detail: detail.to_owned(),
        };
        let keyring = self.keyring.clone();
        let keyring = keyring.ok_or_else(|| missing("name --keyring, or --config"))?;
        if self.key_file.is_none() && self.vault.is_none() {
            return Err(missing("name --key-file or --vault beside --keyring"));
        }
        Ok(KeySettings {
            keyring,
            key_file: self.key_file.clone(),
            vault: self.vault.clone().map(|address| Vault {
                address,
                mount: self.vault_mount.clone(),
                key: self.vault_key.clone().unwrap_or_default(),
                token_file: self.vault_token_file.clone().unwrap_or_default(),
                namespace: self.vault_namespace.clone(),
                authority: self.vault_authority.clone(),
            }),
        })
    }
}
