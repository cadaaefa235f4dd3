//! Checks over TLS: who is trusted.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use rcgen::generate_simple_self_signed;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::TlsAcceptor;

use super::{SCHEDULE, passing, run_with};
use crate::{
    ProbeOptions,
    model::{Probe, Status, Tls},
};

/// A server with a certificate of its own for `web.internal`, and that certificate.
async fn serve() -> (SocketAddr, CertificateDer<'static>) {
    let made = generate_simple_self_signed(["web.internal".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust us hangs up.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                drop(stream.shutdown().await);
            }
        }
    });
    (address, certificate)
}

async fn status(
    address: SocketAddr,
    authority: Option<CertificateDer<'static>>,
    tls: Tls,
) -> Status {
    let options = ProbeOptions {
        authorities: authority.into_iter().collect(),
        ..ProbeOptions::default()
    };
    let probe = Probe::Tcp {
        address: address.to_string(),
        tls,
        schedule: SCHEDULE,
    };
    let outcome = run_with(options, probe).await;
    if outcome.status == Status::Passing {
        assert_eq!(outcome, passing(format!("TCP connect {address}: Success")));
    } else {
        assert!(outcome.output.contains("certificate"), "{outcome:?}");
    }
    outcome.status
}

#[tokio::test]
async fn a_certificate_counts_when_its_authority_and_its_name_do() {
    let (address, authority) = serve().await;
    let tls = |server_name: &str, skip_verify| Tls {
        enabled: true,
        skip_verify,
        server_name: server_name.to_owned(),
    };
    let known = Some(authority);
    assert_eq!(
        status(address, known.clone(), tls("web.internal", false)).await,
        Status::Passing
    );
    assert_eq!(
        status(address, known, tls("db.internal", false)).await,
        Status::Critical
    );
    assert_eq!(
        status(address, None, tls("web.internal", false)).await,
        Status::Critical
    );
    assert_eq!(
        status(address, None, tls("db.internal", true)).await,
        Status::Passing
    );
}
