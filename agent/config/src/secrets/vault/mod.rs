//! Vault's Transit API: data keys wrapped by a key that never leaves Vault. OpenBao speaks the same.

mod http;
mod settings;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{FutureExt, future::BoxFuture};
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use self::http::Client;
use super::{Kid, Locked, Provider, ProviderError, cipher::KEY};

pub use settings::{VaultSettings, VaultToken};

/// How long a call may take from connecting to its last byte.
const PATIENCE: Duration = Duration::from_secs(10);

/// A key of Vault's Transit engine.
#[derive(Debug)]
pub struct VaultTransit {
    client: Client,
    mount: String,
    key: String,
}

/// The part of an answer that holds what was asked for.
#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    plaintext: Option<Zeroizing<String>>,
    ciphertext: Option<String>,
}

impl VaultTransit {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// When the address is none, or certificates cannot be used.
    pub fn new(settings: VaultSettings) -> Result<Self, ProviderError> {
        Ok(Self {
            mount: settings.mount.trim_matches('/').to_owned(),
            key: settings.key.clone(),
            client: Client::new(settings)?,
        })
    }

    async fn call(&self, verb: &str, body: serde_json::Value) -> Result<Data, ProviderError> {
        let path = format!("/v1/{}/{verb}/{}", self.mount, self.key);
        let answer = tokio::time::timeout(PATIENCE, self.client.post(&path, &body)).await;
        let mut answer = answer.map_err(|_late| ProviderError::Unreachable {
            provider: self.client.name(),
            reason: format!("no answer within {PATIENCE:?}"),
        })??;
        let parsed = serde_json::from_slice::<Answer>(&answer);
        answer.zeroize();
        // Not the error of the parser: it may quote what it has read.
        Ok(parsed
            .map_err(|_malformed| self.odd("its answer is not of Vault's form"))?
            .data)
    }

    fn odd(&self, reason: &str) -> ProviderError {
        ProviderError::Refused {
            provider: self.client.name(),
            reason: reason.to_owned(),
        }
    }

    fn data_key(&self, data: &Data) -> Result<Locked, ProviderError> {
        let text = data.plaintext.as_ref();
        let text = text.ok_or_else(|| self.odd("its answer has no plaintext"))?;
        let decoded = Zeroizing::new(STANDARD.decode(text.as_bytes()).unwrap_or_default());
        let mut key = Locked::zeroed(KEY).map_err(|error| self.odd(&error.to_string()))?;
        if decoded.len() != KEY {
            return Err(self.odd("its answer is not a key of 32 bytes"));
        }
        key.expose_mut().copy_from_slice(&decoded);
        Ok(key)
    }

    fn wrapped(&self, data: Data) -> Result<String, ProviderError> {
        data.ciphertext
            .ok_or_else(|| self.odd("its answer has no ciphertext"))
    }
}

impl Provider for VaultTransit {
    fn generate<'a>(
        &'a self,
        _kid: &'a Kid,
    ) -> BoxFuture<'a, Result<(Locked, String), ProviderError>> {
        async move {
            let body = serde_json::json!({ "bits": 256 });
            let data = self.call("datakey/plaintext", body).await?;
            Ok((self.data_key(&data)?, self.wrapped(data)?))
        }
        .boxed()
    }

    fn unwrap<'a>(
        &'a self,
        _kid: &'a Kid,
        wrapped: &'a str,
    ) -> BoxFuture<'a, Result<Locked, ProviderError>> {
        async move {
            let body = serde_json::json!({ "ciphertext": wrapped });
            self.data_key(&self.call("decrypt", body).await?)
        }
        .boxed()
    }

    fn rewrap<'a>(
        &'a self,
        _kid: &'a Kid,
        wrapped: &'a str,
    ) -> BoxFuture<'a, Result<String, ProviderError>> {
        async move {
            let body = serde_json::json!({ "ciphertext": wrapped });
            self.wrapped(self.call("rewrap", body).await?)
        }
        .boxed()
    }
}
