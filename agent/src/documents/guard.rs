//! What stands between documents and whoever wants to see them: keys and masks, as settings say.

use std::sync::Arc;

use ::config::{
    Hooks, Masker, Trust,
    secrets::{
        KeyFile, Keys, Provider, ProviderError, SecretError, Secrets, VaultSettings, VaultToken,
        VaultTransit,
    },
};
use tokio::task::JoinSet;

use crate::config::{ConfigWatcher, KeySettings};

/// Keys and masks of this node.
pub(crate) struct Guard {
    /// Opens sealed values and hides them, for the pipeline.
    pub(crate) hooks: Hooks,
    /// Clears keys that have served their hour; ended when this is dropped.
    _sweeping: JoinSet<()>,
}

impl Guard {
    /// What the settings say. Nothing is asked of a key service yet, and a keyring that
    /// cannot be read now is read again with the first value that needs it.
    ///
    /// # Errors
    /// When an address or certificate of the key service cannot be used.
    pub(crate) fn start(settings: &ConfigWatcher) -> Result<Self, ProviderError> {
        let masker = Arc::new(Masker::new());
        let mut sweeping = JoinSet::new();
        let mut hooks = Hooks {
            decrypt: None,
            mask: Arc::clone(&masker) as _,
        };
        if let Some(settings) = &settings.keys {
            let keys = Arc::new(keys(settings)?);
            let opener = Secrets::new(Arc::clone(&keys), Arc::clone(&masker));
            hooks.decrypt = Some(Arc::new(opener));
            sweeping.spawn(async move { keys.sweep().await });
        }
        Ok(Self {
            hooks,
            _sweeping: sweeping,
        })
    }
}

fn keys(settings: &KeySettings) -> Result<Keys, ProviderError> {
    let provider = provider(settings)?;
    let loaded = Keys::load(&settings.keyring, Arc::clone(&provider));
    Ok(loaded.unwrap_or_else(|error: SecretError| {
        tracing::warn!(%error, "sealed values do not open until the keyring can be read");
        Keys::with_ring(&settings.keyring, Default::default(), provider)
    }))
}

/// Who wraps the data keys. Where both are named, the settings were refused.
///
/// # Errors
/// When an address or certificate cannot be used.
pub(crate) fn provider(settings: &KeySettings) -> Result<Arc<dyn Provider>, ProviderError> {
    let Some(vault) = &settings.vault else {
        let file = settings.key_file.clone().unwrap_or_default();
        return Ok(Arc::new(KeyFile::new(file)));
    };
    Ok(Arc::new(VaultTransit::new(VaultSettings {
        address: vault.address.clone(),
        mount: vault.mount.clone(),
        key: vault.key.clone(),
        token: VaultToken::File(vault.token_file.clone()),
        namespace: vault.namespace.clone(),
        trust: Trust {
            authority: vault.authority.clone(),
            certificate: None,
        },
    })?))
}
