//! A key service that can be out of reach, and counts what it is asked.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use config::secrets::{KeyFile, Kid, Locked, Provider, ProviderError};
use futures_util::{FutureExt, future::BoxFuture};

#[derive(Clone, Debug)]
pub(crate) struct KeyService {
    inner: KeyFile,
    is_down: Arc<AtomicBool>,
    unwraps: Arc<AtomicU32>,
}

impl KeyService {
    pub(crate) fn new(inner: KeyFile) -> Self {
        Self {
            inner,
            is_down: Arc::default(),
            unwraps: Arc::default(),
        }
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    pub(crate) fn unwraps(&self) -> u32 {
        self.unwraps.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), ProviderError> {
        match self.is_down.load(Ordering::Relaxed) {
            true => Err(ProviderError::Unreachable {
                provider: "the key service".to_owned(),
                reason: "connection refused".to_owned(),
            }),
            false => Ok(()),
        }
    }
}

impl Provider for KeyService {
    fn generate<'a>(
        &'a self,
        kid: &'a Kid,
    ) -> BoxFuture<'a, Result<(Locked, String), ProviderError>> {
        self.inner.generate(kid)
    }

    fn unwrap<'a>(
        &'a self,
        kid: &'a Kid,
        wrapped: &'a str,
    ) -> BoxFuture<'a, Result<Locked, ProviderError>> {
        async move {
            self.check()?;
            self.unwraps.fetch_add(1, Ordering::Relaxed);
            self.inner.unwrap(kid, wrapped).await
        }
        .boxed()
    }

    fn rewrap<'a>(
        &'a self,
        kid: &'a Kid,
        wrapped: &'a str,
    ) -> BoxFuture<'a, Result<String, ProviderError>> {
        self.inner.rewrap(kid, wrapped)
    }
}
