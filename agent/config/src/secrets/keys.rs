//! The data keys of this process: unwrapped once, kept for an hour.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use zeroize::{Zeroize, Zeroizing};

use super::{
    Keyring, Kid, Layout, Locked, Provider, ProviderError, Sealed, SecretError, WrappedKey, cipher,
};

/// How long an unwrapped data key is kept.
const KEPT: Duration = Duration::from_secs(3600);
/// How often old ones are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// Bytes of the longest value that is sealed.
const MOST: usize = 1024 * 1024;

/// Data keys of a keyring file, and who can unwrap them.
pub struct Keys {
    path: PathBuf,
    ring: ArcSwap<Keyring>,
    provider: Arc<dyn Provider>,
    kept: Duration,
    unwrapped: Mutex<HashMap<Kid, (Arc<Locked>, Instant)>>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("path", &self.path)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}

impl Keys {
    /// The keys of the keyring at `path`.
    ///
    /// # Errors
    /// When the keyring cannot be read.
    pub fn load(path: &Path, provider: Arc<dyn Provider>) -> Result<Self, SecretError> {
        Ok(Self::with_ring(path, Keyring::load(path)?, provider))
    }

    /// The keys of a keyring that `path` need not hold yet.
    #[must_use]
    pub fn with_ring(path: &Path, ring: Keyring, provider: Arc<dyn Provider>) -> Self {
        Self {
            path: path.to_owned(),
            ring: ArcSwap::from_pointee(ring),
            provider,
            kept: KEPT,
            unwrapped: Mutex::default(),
        }
    }

    /// The same keys, kept for another time than an hour.
    #[must_use]
    pub fn kept_for(self, kept: Duration) -> Self {
        Self { kept, ..self }
    }

    /// The keyring as it is in memory.
    #[must_use]
    pub fn ring(&self) -> Arc<Keyring> {
        self.ring.load_full()
    }

    /// Reads the keyring again: keys were added or retired. A file that cannot be read changes nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn reload(&self) -> Result<(), SecretError> {
        self.ring.store(Arc::new(Keyring::load(&self.path)?));
        Ok(())
    }

    /// Seals a text with the newest key for this place.
    ///
    /// # Errors
    /// When there is no key, it cannot be unwrapped or has sealed 2^20 values, the text is longer than 1 MiB,
    /// or the keyring, which counts values, cannot be written.
    pub async fn seal(
        &self,
        namespace: &str,
        path: &str,
        text: &str,
    ) -> Result<Sealed, SecretError> {
        let mut sealed = self.seal_all(namespace, &[(path, text)]).await?;
        sealed.pop().ok_or(SecretError::NoKey)
    }

    /// Seals texts with the newest key, each for its path.
    ///
    /// # Errors
    /// As of [`seal`](Self::seal).
    pub async fn seal_all(
        &self,
        namespace: &str,
        texts: &[(&str, &str)],
    ) -> Result<Vec<Sealed>, SecretError> {
        if texts.iter().any(|(_, text)| text.len() > MOST) {
            return Err(SecretError::TooLong { most: MOST });
        }
        let count = u64::try_from(texts.len()).unwrap_or(u64::MAX);
        let kid = self.change(|ring| ring.reserve(count))?;
        let key = self.unwrapped(&kid).await?;
        let sealed = texts.iter().map(|(path, text)| {
            let aad = cipher::binding(namespace, path, &kid)?;
            Ok(Sealed {
                layout: Layout::V1,
                bytes: cipher::seal(&key, text.as_bytes(), aad.as_bytes())?,
                kid: kid.clone(),
            })
        });
        sealed.collect()
    }

    /// Opens a value that is sealed for this place.
    ///
    /// # Errors
    /// When its key is unknown, retired or cannot be unwrapped, or the value does not belong here.
    pub async fn open(
        &self,
        namespace: &str,
        path: &str,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let key = self.unwrapped(&sealed.kid).await?;
        cipher::open_sealed(&key, sealed, namespace, path)
    }

    /// Opens a text that is a sealed one, for this place.
    ///
    /// # Errors
    /// As of [`open`](Self::open); also when it has not the form of a sealed value, or no text is in it.
    pub async fn open_text(
        &self,
        namespace: &str,
        path: &str,
        text: &str,
    ) -> Result<Zeroizing<String>, SecretError> {
        let sealed: Sealed = text.parse()?;
        let mut plain = self.open(namespace, path, &sealed).await?;
        let text = String::from_utf8(std::mem::take(&mut *plain)).map_err(|error| {
            error.into_bytes().zeroize();
            SecretError::NotText
        })?;
        Ok(Zeroizing::new(text))
    }

    /// Makes a data key that seals all new values, and writes the keyring. Older keys stay readable.
    ///
    /// # Errors
    /// When the provider does not make one, or the file cannot be written; then nothing has changed.
    pub async fn rotate(&self) -> Result<Kid, SecretError> {
        if self.path.exists() {
            self.reload()?;
        }
        let kid = self.ring.load().next_kid();
        let (key, wrapped) = self.provider.generate(&kid).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let new = WrappedKey {
            kid: kid.clone(),
            wrapped,
            created: now.unwrap_or_default().as_secs(),
            sealed: 0,
        };
        self.change(|ring| ring.add(new))?;
        self.keep(&kid, Arc::new(key)).await;
        Ok(kid)
    }

    /// Wraps all data keys again with the provider's newest key, and writes the keyring.
    ///
    /// # Errors
    /// When the provider fails for one of them, or the file cannot be written; then nothing has changed.
    pub async fn rewrap(&self) -> Result<usize, SecretError> {
        let keys = self.ring.load().keys().to_vec();
        let mut wrapped = Vec::new();
        for key in &keys {
            let again = self.provider.rewrap(&key.kid, &key.wrapped).await?;
            wrapped.push((&key.kid, again));
        }
        self.change(|ring| {
            for (kid, wrapped) in wrapped {
                ring.replace(kid, wrapped);
            }
            Ok(())
        })?;
        Ok(keys.len())
    }

    /// Retires all keys older than `kid`, and writes the keyring.
    ///
    /// # Errors
    /// When there is no such key, or the file cannot be written; then nothing has changed.
    pub async fn retire_before(&self, kid: &Kid) -> Result<(), SecretError> {
        self.change(|ring| ring.retire_before(kid))?;
        self.unwrapped.lock().await.clear();
        Ok(())
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<T, SecretError>,
    ) -> Result<T, SecretError> {
        let (ring, changed) = Keyring::update(&self.path, &self.ring.load(), change)?;
        self.ring.store(Arc::new(ring));
        Ok(changed)
    }

    /// Clears keys that were unwrapped more than an hour ago, for ever.
    pub async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP.min(self.kept)).await;
            self.forget_old().await;
        }
    }

    /// Clears keys that were unwrapped more than an hour ago.
    pub async fn forget_old(&self) {
        let is_young = |since: Instant| since.elapsed() < self.kept;
        let mut unwrapped = self.unwrapped.lock().await;
        unwrapped.retain(|_, (_, since)| is_young(*since));
    }

    /// A data key. Callers that come while one is unwrapped wait for it instead of asking again.
    async fn unwrapped(&self, kid: &Kid) -> Result<Arc<Locked>, SecretError> {
        let wrapped = self.wrapped(kid)?;
        let mut unwrapped = self.unwrapped.lock().await;
        if let Some((key, since)) = unwrapped.get(kid)
            && since.elapsed() < self.kept
        {
            return Ok(Arc::clone(key));
        }
        unwrapped.remove(kid);
        let key = self.provider.unwrap(kid, &wrapped).await?;
        if key.expose().len() != cipher::KEY {
            let kid = kid.clone();
            let provider = format!("{:?}", self.provider);
            return Err(ProviderError::Unwrap { provider, kid }.into());
        }
        let key = Arc::new(key);
        unwrapped.insert(kid.clone(), (Arc::clone(&key), Instant::now()));
        Ok(key)
    }

    async fn keep(&self, kid: &Kid, key: Arc<Locked>) {
        let mut unwrapped = self.unwrapped.lock().await;
        unwrapped.insert(kid.clone(), (key, Instant::now()));
    }

    /// The wrapped form of a good key. One that is not known may have come since the file was read.
    fn wrapped(&self, kid: &Kid) -> Result<String, SecretError> {
        if let Err(SecretError::UnknownKey { .. }) = self.ring.load().key(kid) {
            self.reload()?;
        }
        Ok(self.ring.load().key(kid)?.wrapped.clone())
    }
}
