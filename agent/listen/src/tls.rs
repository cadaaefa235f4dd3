//! Certificates of the node's encrypted listeners.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::{VerifierBuilderError, WebPkiClientVerifier},
};
use thiserror::Error;

/// Files of an encrypted listener, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain that is shown to clients, the own one first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities whose certificates clients must show; without it they show none.
    pub client_authority: Option<PathBuf>,
}

/// Why an encrypted listener cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("cannot read {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A file has no certificate in it.
    #[error("no certificate in {}", file.display())]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("cannot use the certificate {}", file.display())]
    Certificate {
        /// File of the certificate.
        file: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The authorities of clients cannot be used.
    #[error("cannot use the client authority {}", file.display())]
    Authority {
        /// File of the authorities.
        file: PathBuf,
        /// What is wrong with them.
        source: VerifierBuilderError,
    },
}

/// Reads the files into what a listener needs; `protocols` are offered by ALPN in this order.
///
/// # Errors
/// When a file cannot be read or used.
pub fn server_config(files: &TlsFiles, protocols: &[&str]) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unusable = |source| TlsError::Certificate {
        file: files.certificate.clone(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    let builder = match &files.client_authority {
        Some(file) => {
            let roots = Arc::new(authorities(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|source| TlsError::Authority {
                file: file.clone(),
                source,
            })?)
        }
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable(&files.key))?;
    let mut config = builder
        .with_single_cert(certificates(&files.certificate)?, key)
        .map_err(unusable)?;
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(Arc::new(config))
}

fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Certificate {
                file: file.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(file)
        .map_err(unreadable(file))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable(file))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate {
            file: file.to_owned(),
        });
    }
    Ok(certificates)
}

fn unreadable(file: &Path) -> impl Fn(pem::Error) -> TlsError {
    |source| TlsError::File {
        file: file.to_owned(),
        source,
    }
}
