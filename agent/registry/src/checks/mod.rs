//! Active checks: what the node itself does to find out whether an instance is well.
//!
//! The engine decides when a check runs (`engine/runs.rs`) and what its result changes; here is what one
//! run does. A run opens one connection, says its piece, and closes it: what is tested is whether a new
//! client would be served. Programs are never started.

mod connect;
mod damping;
mod error;
mod grpc;
mod h2_ping;
mod http;
mod outcome;
mod slots;
mod tcp;
mod tls;
mod udp;

#[cfg(test)]
mod tests;

use std::time::Duration;

use rustls::pki_types::CertificateDer;

use self::{error::ProbeError, slots::Slots, tls::TlsClients};
use crate::model::Probe;

pub(crate) use self::{damping::Damping, outcome::Outcome};

/// A run may take this long when the registration says nothing.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How active checks are run.
#[derive(Clone, Debug)]
pub struct ProbeOptions {
    /// Most runs at one time; the others wait their turn.
    pub concurrency: usize,
    /// Most runs at one time against one host and port.
    pub per_destination: usize,
    /// Authorities that are trusted beside those of the system.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            concurrency: 256,
            per_destination: 8,
            authorities: Vec::new(),
        }
    }
}

/// Runs checks, so many at a time.
pub(crate) struct Prober {
    slots: Slots,
    tls: TlsClients,
}

impl Prober {
    pub(crate) fn new(options: ProbeOptions) -> Self {
        Self {
            slots: Slots::new(options.concurrency, options.per_destination),
            tls: TlsClients::new(options.authorities),
        }
    }

    /// Runs one check once. `None` for a check that is not run but told.
    pub(crate) async fn run(&self, probe: &Probe) -> Option<Outcome> {
        let schedule = probe.schedule()?;
        let destination = destination(probe)?;
        let _slot = self.slots.take(&destination).await;
        let timeout = schedule.timeout.unwrap_or(TIMEOUT);
        // No answer to a datagram is the best answer there is, so this one keeps the time itself.
        if let Probe::Udp { address, .. } = probe {
            return Some(Outcome::of(udp::run(address, timeout).await));
        }
        let ran = tokio::time::timeout(timeout, self.attempt(probe)).await;
        let result = ran.unwrap_or(Err(ProbeError::Timeout { after: timeout }));
        Some(Outcome::of(result))
    }

    async fn attempt(&self, probe: &Probe) -> Result<Outcome, ProbeError> {
        match probe {
            Probe::Http(probe) => http::run(probe, &self.tls).await,
            Probe::Tcp { address, tls, .. } => tcp::run(address, tls, &self.tls).await,
            Probe::Grpc { target, tls, .. } => grpc::run(target, tls, &self.tls).await,
            Probe::H2Ping { address, tls, .. } => h2_ping::run(address, tls, &self.tls).await,
            Probe::Ttl { .. } | Probe::Udp { .. } | Probe::Alias { .. } | Probe::External => {
                Err(ProbeError::NotRun)
            }
        }
    }
}

/// The host and port that a check turns to.
fn destination(probe: &Probe) -> Option<String> {
    match probe {
        Probe::Http(probe) => Some(http::destination(&probe.url)),
        Probe::Grpc { target, .. } => Some(grpc::address_of(target).to_owned()),
        Probe::Tcp { address, .. } | Probe::Udp { address, .. } | Probe::H2Ping { address, .. } => {
            Some(address.clone())
        }
        Probe::Ttl { .. } | Probe::Alias { .. } | Probe::External => None,
    }
}
