//! HTTP to Vault.

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use zeroize::Zeroize;

use super::{super::ProviderError, VaultSettings};
use crate::net::{CallError, Remote};

/// Bytes of the longest answer.
const MOST: usize = 256 * 1024;

/// A client of one Vault.
pub(super) struct Client {
    settings: VaultSettings,
    remote: Remote,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

/// Vault's own words.
#[derive(Default, Deserialize)]
struct Errors {
    errors: Vec<String>,
}

impl Client {
    pub(super) fn new(settings: VaultSettings) -> Result<Self, ProviderError> {
        let remote = Remote::new(&settings.address, &settings.trust);
        Ok(Self {
            remote: remote.map_err(|error| failed(&settings, error))?,
            settings,
        })
    }

    /// For messages.
    pub(super) fn name(&self) -> String {
        name(&self.settings)
    }

    /// Sends `body` and returns the body of a 2xx answer.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<Vec<u8>, ProviderError> {
        let request = self.request(path, body.to_string())?;
        let answer = self.remote.call(request, MOST).await;
        let (status, bytes) = answer.map_err(|error| failed(&self.settings, error))?;
        let body = bytes.to_vec();
        clear(bytes);
        match status {
            status if status.is_success() => Ok(body),
            status => Err(self.refusal(status, &body)),
        }
    }

    fn request(&self, path: &str, body: String) -> Result<Request<Full<Bytes>>, ProviderError> {
        let refused = |reason: &str| ProviderError::Refused {
            provider: self.name(),
            reason: reason.to_owned(),
        };
        let token = self.settings.token.read()?;
        let mut token = HeaderValue::from_str(token.expose())
            .map_err(|_unfit| refused("the token has characters that no token has"))?;
        token.set_sensitive(true);
        let mut request = Request::post(self.remote.path(path))
            .header("X-Vault-Token", token)
            .header("X-Vault-Request", "true");
        if !self.settings.namespace.is_empty() {
            request = request.header("X-Vault-Namespace", &self.settings.namespace);
        }
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_unfit| refused("mount, key or namespace cannot stand in a request"))
    }

    /// 5xx, 429 and 412 pass by themselves: sealed, overloaded, not caught up. The rest does not.
    fn refusal(&self, status: StatusCode, body: &[u8]) -> ProviderError {
        let told: Errors = serde_json::from_slice(body).unwrap_or_default();
        let told = told.errors.join("; ");
        let reason = format!("{status}: {}", told.trim());
        let provider = self.name();
        let passes = status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::PRECONDITION_FAILED
            );
        match passes {
            true => ProviderError::Unreachable { provider, reason },
            false => ProviderError::Refused { provider, reason },
        }
    }
}

fn name(settings: &VaultSettings) -> String {
    format!("Vault at {}", settings.address)
}

fn failed(settings: &VaultSettings, error: CallError) -> ProviderError {
    let provider = name(settings);
    match error {
        CallError::File { path, reason } => ProviderError::File { path, reason },
        CallError::Address(reason) => ProviderError::Refused {
            provider,
            reason: reason.to_owned(),
        },
        CallError::Unreachable(reason) => ProviderError::Unreachable { provider, reason },
    }
}

/// Overwrites the buffer that an answer was read into, if nobody else looks at it any more.
fn clear(bytes: Bytes) {
    if let Ok(mut buffer) = bytes.try_into_mut() {
        buffer.as_mut().zeroize();
    }
}
