//! What stands between documents and whoever wants to see them: keys, masks and roles, as settings say.

use std::sync::Arc;

use ::config::{
    Access, Denied, DocumentId, Hooks, Masker, Right, Trust,
    caller::Reader,
    roles::{Ledger, Policy},
    secrets::{
        KeyFile, Keys, Provider, ProviderError, SecretError, Secrets, VaultSettings, VaultToken,
        VaultTransit,
    },
};
use arc_swap::ArcSwap;
use state::Store;
use tokio::task::JoinSet;

use crate::config::{AccessSettings, ConfigWatcher, KeySettings};

/// Keys, masks and roles of this node.
pub(crate) struct Guard {
    /// Opens sealed values and hides them, for the pipeline.
    pub(crate) hooks: Hooks,
    /// Who may see which document.
    pub(crate) access: Arc<dyn Access<Reader>>,
    roles: Arc<Roles>,
    /// Where refusals and looks at secrets are noted.
    pub(crate) ledger: Ledger,
    /// Clears keys that have served their hour; ended when this is dropped.
    _sweeping: JoinSet<()>,
}

impl Guard {
    /// What the settings say. Nothing is asked of a key service yet, and a keyring that
    /// cannot be read now is read again with the first value that needs it.
    ///
    /// # Errors
    /// When an address or certificate of the key service cannot be used.
    pub(crate) fn start(
        settings: &ConfigWatcher,
        store: &Arc<Store>,
    ) -> Result<Self, ProviderError> {
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
        let roles = Arc::new(Roles(ArcSwap::from_pointee(Policy::from(&settings.access))));
        Ok(Self {
            hooks,
            access: Arc::clone(&roles) as _,
            roles,
            ledger: Ledger::new(Arc::clone(store), masker),
            _sweeping: sweeping,
        })
    }

    /// Puts other roles in force, for whoever asks from now on.
    pub(crate) fn set_roles(&self, settings: &AccessSettings) {
        self.roles.0.store(Arc::new(Policy::from(settings)));
    }
}

/// The node's roles. golens' own settings, which hold its tokens, are for those who may change them.
struct Roles(ArcSwap<Policy>);

impl Access<Reader> for Roles {
    fn check(&self, reader: &Reader, right: Right, document: &DocumentId) -> Result<(), Denied> {
        let right = match (right, *document == DocumentId::own()) {
            (Right::Read | Right::Reveal, true) => Right::Write,
            (right, _) => right,
        };
        self.0.load().check(reader, right, document)
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

#[cfg(test)]
mod tests {
    use ::config::caller::Proof;

    use super::*;

    #[test]
    fn own_settings_are_for_those_who_may_change_them() {
        let roles = Roles(ArcSwap::from_pointee(Policy::of_the_node()));
        let user = |uid: u32| Reader {
            name: format!("uid {uid}"),
            proofs: vec![Proof::Process(format!("uid:{uid}"))],
        };
        let shop = DocumentId::new("shop", "app").expect("a name");
        for right in [Right::Read, Right::Reveal] {
            assert!(roles.check(&user(1000), right, &shop).is_ok());
            assert!(roles.check(&user(1000), right, &DocumentId::own()).is_err());
            assert!(roles.check(&user(0), right, &DocumentId::own()).is_ok());
        }
        assert!(roles.check(&user(1000), Right::Write, &shop).is_err());
    }
}
