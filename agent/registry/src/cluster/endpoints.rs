//! The members of an etcd cluster: how to connect to one, and how it knows who connects.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    backend::{Backend, BackendError, innermost},
    gate::Gate,
    proto::{self, lease_client},
    settings::{JoinError, Settings, TlsFiles, User, read, uri},
};
use crate::degrade::Outcome;

/// A connection on which nothing comes is asked for a sign of life this often.
const PING_EVERY: Duration = Duration::from_secs(5);

/// The members of the etcd cluster that can be tried. Files are read anew for each connection, so that
/// certificates and passwords may change meanwhile.
#[derive(Debug)]
pub(super) struct Endpoints {
    members: Vec<String>,
    tls: TlsFiles,
    user: Option<User>,
    next: usize,
    limit: Duration,
}

impl Endpoints {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            members: settings.endpoints.clone(),
            tls: settings.tls.clone(),
            user: settings.user.clone(),
            next: 0,
            limit: settings.call_timeout,
        }
    }

    /// Finds out now what would make every connection fail.
    pub(super) fn check(&self) -> Result<(), JoinError> {
        for member in &self.members {
            self.endpoint(member)?;
        }
        match &self.user {
            Some(user) => user.password().map(drop),
            None => Ok(()),
        }
    }

    /// Connects to the next member, and shows it who we are.
    pub(super) async fn connect(&mut self, gate: &Gate) -> Result<Backend, BackendError> {
        let member = self.next_member()?;
        let channel = connect(&member, &self.endpoint(&member)?, self.limit, gate).await?;
        let mut backend = Backend::new(channel, member, self.limit, gate.clone());
        if let Some(user) = &self.user {
            backend.authenticate(user).await?;
        }
        Ok(backend)
    }

    /// Whether the next member answers at all; asked while the breaker is open.
    pub(super) async fn probe(&mut self) -> bool {
        let member = self.next_member();
        let endpoint = member.and_then(|member| self.endpoint(&member));
        let Ok(endpoint) = endpoint else {
            return false;
        };
        let asked = async {
            let channel = endpoint.connect().await.ok()?;
            let nothing = proto::LeaseTimeToLiveRequest::default();
            let mut leases = lease_client::LeaseClient::new(channel);
            match leases.lease_time_to_live(nothing).await {
                Ok(_) => Some(()),
                // It answers, if only that it wants to know who asks.
                Err(status) if is_answer(&status) => Some(()),
                Err(_) => None,
            }
        };
        matches!(timeout(self.limit, asked).await, Ok(Some(())))
    }

    fn next_member(&mut self) -> Result<String, JoinError> {
        let at = self.next % self.members.len().max(1);
        self.next = at + 1;
        let member = self.members.get(at).cloned();
        member.ok_or(JoinError::NoEndpoint)
    }

    fn endpoint(&self, member: &str) -> Result<Endpoint, JoinError> {
        let (uri, is_tls) = uri(member)?;
        let endpoint = Endpoint::from(uri)
            .connect_timeout(self.limit)
            .http2_keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(self.limit)
            .keep_alive_while_idle(true);
        match is_tls {
            true => endpoint.tls_config(tls(&self.tls)?).map_err(JoinError::Tls),
            false => Ok(endpoint),
        }
    }
}

fn is_answer(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument | Code::NotFound
    )
}

async fn connect(
    name: &str,
    endpoint: &Endpoint,
    limit: Duration,
    gate: &Gate,
) -> Result<Channel, BackendError> {
    if gate.is_open() {
        return Err(BackendError::BreakerOpen);
    }
    let name = name.to_owned();
    match timeout(limit, endpoint.connect()).await {
        // The kernel connects also to a process that has stopped: it is the first call that tells.
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) => {
            gate.record(Outcome::Failure);
            Err(BackendError::Connect {
                endpoint: name,
                reason: innermost(&error),
            })
        }
        Err(_elapsed) => {
            gate.record(Outcome::TimedOut);
            Err(BackendError::TimedOut {
                endpoint: name,
                call: "a connection",
            })
        }
    }
}

fn tls(files: &TlsFiles) -> Result<ClientTlsConfig, JoinError> {
    let mut tls = match &files.authority {
        Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = &files.identity {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(tls)
}
