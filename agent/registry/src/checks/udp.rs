//! UDP checks: a datagram that is answered, or at least not refused.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::net::{UdpSocket, lookup_host};

use super::{error::ProbeError, outcome::Outcome};

pub(super) async fn run(address: &str, timeout: Duration) -> Result<Outcome, ProbeError> {
    let asked = tokio::time::timeout(timeout, ask(address)).await;
    match asked {
        // Silence: nobody refused.
        Err(_) | Ok(Ok(())) => Ok(Outcome::passing(format!("UDP connect {address}: Success"))),
        Ok(Err(source)) => Err(ProbeError::Udp {
            address: address.to_owned(),
            source,
        }),
    }
}

/// Sends one byte and waits for an answer; a refusal comes back as an error.
async fn ask(address: &str) -> io::Result<()> {
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let to = lookup_host(address).await?.next().ok_or_else(unknown)?;
    let from: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(from).await?;
    socket.connect(to).await?;
    socket.send(b"\n").await?;
    socket.recv(&mut [0]).await.map(drop)
}
