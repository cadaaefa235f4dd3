//! HTTP/2 checks: a PING that is answered.

use h2::Ping;
use tokio::task::JoinSet;

use super::{
    connect,
    error::ProbeError,
    outcome::Outcome,
    tls::{Alpn, TlsClients},
};
use crate::model::Tls;

pub(super) async fn run(
    address: &str,
    tls: &Tls,
    clients: &TlsClients,
) -> Result<Outcome, ProbeError> {
    let stream = connect::open(address, tls, clients, Alpn::H2).await?;
    let failed = |source| ProbeError::H2 {
        address: address.to_owned(),
        source,
    };
    let (requests, mut connection) = h2::client::handshake(stream).await.map_err(failed)?;
    let Some(mut pings) = connection.ping_pong() else {
        return Err(ProbeError::NotRun);
    };
    // Ends with this run, whichever way that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    pings.ping(Ping::opaque()).await.map_err(failed)?;
    drop(requests);
    Ok(Outcome::passing("HTTP2 ping was successful".to_owned()))
}
