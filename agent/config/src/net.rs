//! Calls of other servers: one connection per call, for calls are rare and their buffers are to go away.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header::HOST};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use listen::Stream;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How a server proves itself, and how we do.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Authority of its certificate, PEM; those of the system when there is none.
    pub authority: Option<PathBuf>,
    /// Certificate and key to show, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The address cannot be used.
    #[error("{0}")]
    Address(&'static str),
    /// A file of certificates cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody answered, or not to the end.
    #[error("{0}")]
    Unreachable(String),
}

/// Another server.
pub(crate) struct Remote {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
    /// Value of the `Host` header.
    authority: HeaderValue,
    /// Path that all its paths begin with, without a slash at its end.
    base: String,
}

impl Remote {
    /// The server at `http://host:port/path` or `https://...`.
    pub(crate) fn new(address: &str, trust: &Trust) -> Result<Self, CallError> {
        let malformed = CallError::Address("that is no address such as https://host:8200");
        let Ok(uri) = address.parse::<Uri>() else {
            return Err(malformed);
        };
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
            return Err(malformed);
        };
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => Some(connector(trust)?),
            _ => return Err(malformed),
        };
        let usual = if tls.is_some() { 443 } else { 80 };
        let host_header = authority.as_str().rsplit('@').next().unwrap_or_default();
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(usual),
            tls,
            authority: HeaderValue::from_str(host_header).map_err(|_unfit| malformed)?,
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The path of `path` on that server.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request and reads an answer of at most `most` bytes.
    pub(crate) async fn call(
        &self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let answer = self.exchange(request, most).await?;
        Ok((answer.status(), answer.into_body()))
    }

    /// As [`call`](Self::call), with the answer's headers.
    pub(crate) async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Response<Bytes>, CallError> {
        request.headers_mut().insert(HOST, self.authority.clone());
        let stream = self.connect().await?;
        let handshake = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(unreachable)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(unreachable)?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, most).collect().await;
            drop(sender);
            let body = body.map_err(unreachable)?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        tokio::pin!(connection);
        tokio::pin!(exchange);
        // The connection carries the exchange and ends no later.
        tokio::select! {
            answer = exchange.as_mut() => answer,
            ended = connection.as_mut() => match ended {
                Ok(()) => exchange.await,
                Err(error) => exchange.await.map_err(|_cut_off| unreachable(error)),
            },
        }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, CallError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(unreachable)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(self.host.clone()).map_err(unreachable)?;
        Ok(Box::new(
            tls.connect(name, stream).await.map_err(unreachable)?,
        ))
    }
}

fn unreachable(error: impl std::fmt::Display) -> CallError {
    CallError::Unreachable(error.to_string())
}

fn connector(trust: &Trust) -> Result<TlsConnector, CallError> {
    let mut roots = RootCertStore::empty();
    match &trust.authority {
        Some(file) => {
            for certificate in certificates(file)? {
                let added = roots.add(certificate);
                added.map_err(|error| unusable(file, &error))?;
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unreachable)?
        .with_root_certificates(roots);
    let config = match &trust.certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(key);
            let private = private.map_err(|error| unusable(key, &error))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, private)
                .map_err(|error| unusable(certificate, &error))?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CallError> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> CallError {
    CallError::File {
        path: file.to_owned(),
        reason: error.to_string(),
    }
}
