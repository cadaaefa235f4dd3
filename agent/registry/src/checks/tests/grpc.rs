//! gRPC and HTTP/2 checks against tonic's health service.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic_health::{ServingStatus, server::health_reporter};

use super::{SCHEDULE, critical, passing, run};
use crate::model::{Probe, Tls};

/// A server on which `web` is well and `db` is not.
async fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (reporter, service) = health_reporter();
    for (name, status) in [
        ("web", ServingStatus::Serving),
        ("db", ServingStatus::NotServing),
    ] {
        reporter.set_service_status(name, status).await;
    }
    let incoming = TcpListenerStream::new(listener);
    tokio::spawn(
        Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    address
}

fn grpc(target: impl Into<String>) -> Probe {
    Probe::Grpc {
        target: target.into(),
        tls: Tls::default(),
        schedule: SCHEDULE,
    }
}

#[tokio::test]
async fn the_server_says_how_it_and_its_services_are() {
    let address = serve().await;
    for target in [address.to_string(), format!("{address}/web")] {
        let success = passing(format!("gRPC check {target}: success"));
        assert_eq!(run(grpc(target)).await, success);
    }
    let target = format!("{address}/db");
    let said = critical(format!("gRPC check {target}: NOT_SERVING"));
    assert_eq!(run(grpc(target)).await, said);
    let target = format!("{address}/nobody");
    let said = critical(format!(
        "gRPC check {target}: NotFound: service not registered"
    ));
    assert_eq!(run(grpc(target)).await, said);
}

#[tokio::test]
async fn a_ping_is_answered_by_http_2_and_by_nobody_else() {
    let ping = |address: SocketAddr| Probe::H2Ping {
        address: address.to_string(),
        tls: Tls::default(),
        schedule: SCHEDULE,
    };
    let outcome = run(ping(serve().await)).await;
    assert_eq!(outcome, passing("HTTP2 ping was successful"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let hangs_up = async move { while listener.accept().await.is_ok() {} };
    tokio::spawn(hangs_up);
    let outcome = run(ping(address)).await;
    let failed = format!("the exchange with {address} failed: ");
    assert!(outcome.output.starts_with(&failed), "{outcome:?}");
}
