//! TLS of checks: verified against the authorities of the system, or not at all when a check says so.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpStream, sync::OnceCell};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::error::ProbeError;

/// Protocol that is offered inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpn {
    /// None: whatever the server speaks by itself.
    None,
    /// HTTP/2.
    H2,
}

/// Configurations of TLS, made when the first check needs them.
pub(super) struct TlsClients {
    authorities: Vec<CertificateDer<'static>>,
    verifying: OnceCell<Arc<ClientConfig>>,
    trusting: OnceCell<Arc<ClientConfig>>,
}

impl TlsClients {
    pub(super) fn new(authorities: Vec<CertificateDer<'static>>) -> Self {
        Self {
            authorities,
            verifying: OnceCell::new(),
            trusting: OnceCell::new(),
        }
    }

    /// Speaks TLS over `stream` with a server that is to be `name`.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        name: &str,
        skip_verify: bool,
        alpn: Alpn,
    ) -> Result<TlsStream<TcpStream>, ProbeError> {
        let mut config = self.config(skip_verify).await?;
        if alpn == Alpn::H2 {
            let mut offering = ClientConfig::clone(&config);
            offering.alpn_protocols = vec![b"h2".to_vec()];
            config = Arc::new(offering);
        }
        let server =
            ServerName::try_from(name.to_owned()).map_err(|_error| ProbeError::Address {
                address: name.to_owned(),
                wanted: "a name that a certificate can have",
            })?;
        let spoken = TlsConnector::from(config).connect(server, stream).await;
        spoken.map_err(|source| ProbeError::Tls {
            address: name.to_owned(),
            source,
        })
    }

    async fn config(&self, skip_verify: bool) -> Result<Arc<ClientConfig>, ProbeError> {
        let config = match skip_verify {
            true => self.trusting.get_or_try_init(trusting).await,
            false => self.verifying.get_or_try_init(|| self.verifying()).await,
        };
        config.map(Arc::clone).map_err(ProbeError::Setup)
    }

    async fn verifying(&self) -> Result<Arc<ClientConfig>, Error> {
        let own = self.authorities.clone();
        let roots = tokio::task::spawn_blocking(move || roots(own)).await;
        let roots = roots.map_err(|error| Error::General(error.to_string()))?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// `own` authorities and those of the system. A system with none, or some that cannot be read, is no
/// fault of the check: it will say whose certificate it cannot verify.
fn roots(own: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "an authority of the system cannot be read");
    }
    roots.add_parsable_certificates(own.into_iter().chain(system.certs));
    roots
}

async fn trusting() -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Takes any certificate, as `TLSSkipVerify` asks; the server must still hold its key.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
