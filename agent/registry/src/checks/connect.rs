//! One connection, with or without TLS.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{
    error::ProbeError,
    tls::{Alpn, TlsClients},
};
use crate::model::Tls;

/// A connected stream of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to `host:port`; every address of the host is tried.
pub(super) async fn open(
    address: &str,
    tls: &Tls,
    clients: &TlsClients,
    alpn: Alpn,
) -> Result<Box<dyn Stream>, ProbeError> {
    let host = host(address)?;
    let connected = TcpStream::connect(address).await;
    let stream = connected.map_err(|source| ProbeError::Connect {
        address: address.to_owned(),
        source,
    })?;
    if !tls.enabled {
        return Ok(Box::new(stream));
    }
    let name = match tls.server_name.as_str() {
        "" => host,
        name => name,
    };
    let spoken = clients.connect(stream, name, tls.skip_verify, alpn).await?;
    Ok(Box::new(spoken))
}

/// The host of `host:port`, without the brackets of an IPv6 address.
pub(super) fn host(address: &str) -> Result<&str, ProbeError> {
    let parts = address.rsplit_once(':');
    let Some((host, _)) = parts.filter(|(_, port)| port.parse::<u16>().is_ok()) else {
        return Err(ProbeError::Address {
            address: address.to_owned(),
            wanted: "host:port",
        });
    };
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    Ok(inside.unwrap_or(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        assert_eq!(host("db:5432").unwrap(), "db");
        assert_eq!(host("[::1]:80").unwrap(), "::1");
        for wrong in ["db", "db:", "db:http", "db:70000", ""] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}
