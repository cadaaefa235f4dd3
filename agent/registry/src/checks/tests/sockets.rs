//! TCP and UDP checks.

use std::{net::Ipv4Addr, time::Duration};

use tokio::net::{TcpListener, UdpSocket};

use super::{SCHEDULE, critical, passing, run};
use crate::model::{Probe, Schedule, Status, Tls};

fn tcp(address: impl Into<String>) -> Probe {
    Probe::Tcp {
        address: address.into(),
        tls: Tls::default(),
        schedule: SCHEDULE,
    }
}

#[tokio::test]
async fn a_connection_passes_and_a_refused_one_does_not() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let outcome = run(tcp(&address)).await;
    assert_eq!(outcome, passing(format!("TCP connect {address}: Success")));
    drop(listener);
    let outcome = run(tcp(&address)).await;
    let refused = format!("cannot connect to {address}: Connection refused (os error 111)");
    assert_eq!(outcome, critical(refused));
    let outcome = run(tcp("db")).await;
    assert_eq!(outcome, critical("\"db\" is not host:port"));
}

#[tokio::test]
async fn a_datagram_must_not_be_refused() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let probe = Probe::Udp {
        address: address.clone(),
        schedule: Schedule {
            timeout: Some(Duration::from_millis(100)),
            ..SCHEDULE
        },
    };
    let silent = run(probe.clone()).await;
    assert_eq!(silent, passing(format!("UDP connect {address}: Success")));
    drop(socket);
    assert_eq!(run(probe).await.status, Status::Critical);
}
