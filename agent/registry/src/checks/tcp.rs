//! TCP checks: a connection, with TLS if asked for, is enough.

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
    let stream = connect::open(address, tls, clients, Alpn::None).await?;
    drop(stream);
    Ok(Outcome::passing(format!("TCP connect {address}: Success")))
}
