//! HTTP to Vault: one connection per call, for calls are rare and their buffers are to go away.

use std::{path::Path, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, StatusCode, Uri, header::HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroize;

use super::{super::ProviderError, VaultSettings};
use crate::net::Stream;

/// Bytes of the longest answer.
const MOST: usize = 256 * 1024;

/// A client of one Vault.
pub(super) struct Client {
    settings: VaultSettings,
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
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
        let bad = |reason: &str| ProviderError::Refused {
            provider: format!("Vault at {}", settings.address),
            reason: reason.to_owned(),
        };
        let uri: Uri = settings
            .address
            .parse()
            .map_err(|_malformed| bad("that is no address such as https://vault:8200"))?;
        let host = uri.host().ok_or_else(|| bad("the address names no host"))?;
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => Some(connector(&settings)?),
            _ => {
                return Err(bad(
                    "the address begins neither with https:// nor with http://",
                ));
            }
        };
        let usual = if tls.is_some() { 443 } else { 80 };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(usual),
            tls,
            settings,
        })
    }

    /// For messages.
    pub(super) fn name(&self) -> String {
        format!("Vault at {}", self.settings.address)
    }

    /// Sends `body` and returns the body of a 2xx answer.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<Vec<u8>, ProviderError> {
        let request = self.request(path, body.to_string())?;
        let stream = self.connect().await?;
        let unreachable = |error: hyper::Error| self.unreachable(&error);
        let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(unreachable)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(unreachable)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST).collect().await;
            let body = body.map_err(|error| self.unreachable(&error))?.to_bytes();
            drop(sender);
            Ok::<_, ProviderError>((status, body))
        };
        // The connection ends with its sender, and its buffers with it.
        let (answer, _ended) = tokio::join!(exchange, connection);
        let (status, bytes) = answer?;
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
        let mut request = Request::post(path)
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header("X-Vault-Token", token)
            .header("X-Vault-Request", "true");
        if !self.settings.namespace.is_empty() {
            request = request.header("X-Vault-Namespace", &self.settings.namespace);
        }
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_unfit| refused("mount, key or namespace cannot stand in a request"))
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, ProviderError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| self.unreachable(&error))?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(self.host.clone());
        let name = name.map_err(|error| self.unreachable(&error))?;
        let stream = tls.connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| self.unreachable(&error))?))
    }

    fn unreachable(&self, error: &dyn std::fmt::Display) -> ProviderError {
        ProviderError::Unreachable {
            provider: self.name(),
            reason: error.to_string(),
        }
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

/// Overwrites the buffer that an answer was read into, if nobody else looks at it any more.
fn clear(bytes: Bytes) {
    if let Ok(mut buffer) = bytes.try_into_mut() {
        let buffer: &mut BytesMut = &mut buffer;
        buffer.as_mut().zeroize();
    }
}

fn connector(settings: &VaultSettings) -> Result<TlsConnector, ProviderError> {
    let mut roots = RootCertStore::empty();
    match &settings.authority {
        Some(file) => {
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|error| unusable(file, &error))?;
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let refused = |error: rustls::Error| ProviderError::Refused {
        provider: format!("Vault at {}", settings.address),
        reason: error.to_string(),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_root_certificates(roots);
    let config = match &settings.certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
            let chain = certificates(certificate)?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(refused)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ProviderError> {
    CertificateDer::pem_file_iter(file)
        .and_then(|certificates| certificates.collect())
        .map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> ProviderError {
    ProviderError::File {
        path: file.to_owned(),
        reason: error.to_string(),
    }
}
