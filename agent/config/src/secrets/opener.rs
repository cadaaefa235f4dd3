//! What the pipeline asks to open what it finds.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};

use super::{Keys, Sealed, SecretError, cipher};
use crate::{Decrypt, DecryptError, DocumentId, Masker, Path, Secret, secret::WeakSecret};

/// Opens sealed values and teaches the masks what not to show.
///
/// A value that a running generation holds is not decrypted again, so a change beside it needs no key
/// service. Nothing is held here: once no generation has a value, it is gone.
pub struct Secrets {
    keys: Arc<Keys>,
    masker: Arc<Masker>,
    /// By what they are bound to and their sealed text.
    running: Mutex<HashMap<String, WeakSecret>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Secrets {
    /// Opens with `keys`; whatever is opened is masked from then on.
    #[must_use]
    pub fn new(keys: Arc<Keys>, masker: Arc<Masker>) -> Self {
        Self {
            keys,
            masker,
            running: Mutex::default(),
        }
    }

    /// Opens the text found at `path` in a document of `namespace`.
    ///
    /// # Errors
    /// When it has not the form of a sealed value, its key is not to be had, or it does not belong here.
    pub async fn open_text(
        &self,
        namespace: &str,
        path: &str,
        text: &str,
    ) -> Result<Secret, SecretError> {
        let sealed: Sealed = text.parse()?;
        let place = cipher::binding(namespace, path, &sealed.kid)?;
        let place = format!("{place}|{}", text.trim());
        // Retired means retired, for values that still run as well.
        if let Err(error @ SecretError::Retired { .. }) = self.keys.ring().key(&sealed.kid) {
            return Err(error);
        }
        if let Some(secret) = self.running(&place) {
            return Ok(secret);
        }
        let mut plain = self.keys.open_text(namespace, path, text).await?;
        let secret = Secret::new(std::mem::take(&mut plain));
        self.masker.learn(&secret);
        self.remember(place, &secret);
        Ok(secret)
    }

    fn running(&self, place: &str) -> Option<Secret> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.get(place)?.upgrade()
    }

    fn remember(&self, place: String, secret: &Secret) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.len() == running.capacity() {
            running.retain(|_, secret| !secret.is_gone());
        }
        running.insert(place, secret.downgrade());
    }
}

impl Decrypt for Secrets {
    fn is_sealed(&self, text: &str) -> bool {
        Sealed::is_meant(text)
    }

    fn open<'a>(
        &'a self,
        document: &'a DocumentId,
        path: &'a Path,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Secret, DecryptError>> {
        async move {
            let path = path.to_string();
            let opened = self.open_text(document.namespace(), &path, text).await;
            opened.map_err(|error| DecryptError {
                reason: error.to_string(),
                is_transient: error.is_transient(),
            })
        }
        .boxed()
    }
}
