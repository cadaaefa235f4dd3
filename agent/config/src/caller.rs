//! Who reads documents.

use std::{fmt, net::SocketAddr, sync::Arc};

/// Where a call comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// A TCP connection.
    Tcp {
        /// Address of the caller.
        remote: SocketAddr,
        /// Address that was called.
        local: SocketAddr,
    },
    /// A Unix socket with the credentials the kernel vouches for.
    Unix {
        /// Process that connected.
        pid: u32,
        /// Its user.
        uid: u32,
    },
}

/// Something that is known for sure about a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// It showed the token with this accessor.
    Token(String),
    /// It showed a certificate with this SPIFFE id.
    Spiffe(String),
    /// It is this process, container, or pod's service account, such as `pod:shop/cart`.
    Process(String),
    /// It signed with an access key of this Apollo application.
    Application(String),
}

/// A caller: its name for the audit log, and what is known for sure about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// A short name. Never the address of a node.
    pub name: String,
    /// What roles go by.
    pub proofs: Vec<Proof>,
}

/// Turns a peer into a caller. The agent implements it: it knows which process or pod has an address.
pub trait CallerIdentity: Send + Sync + fmt::Debug {
    /// Who calls.
    fn identify(&self, peer: &Peer) -> Reader;
}

/// Goes by what the kernel says and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByPeer;

impl CallerIdentity for ByPeer {
    fn identify(&self, peer: &Peer) -> Reader {
        match peer {
            Peer::Tcp { remote, .. } => Reader {
                name: format!("tcp {remote}"),
                proofs: Vec::new(),
            },
            Peer::Unix { pid, uid } => Reader {
                name: format!("pid {pid} uid {uid}"),
                proofs: vec![Proof::Process(format!("uid:{uid}"))],
            },
        }
    }
}

/// SPIFFE ids in a certificate that TLS has verified: the URIs of its subject that begin with `spiffe://`.
/// A certificate that is none has none.
#[must_use]
pub fn spiffe_ids(certificate: &rustls::pki_types::CertificateDer<'_>) -> Vec<Proof> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    certificate
        .valid_uri_names()
        .filter(|uri| uri.starts_with("spiffe://"))
        .map(|uri| Proof::Spiffe(uri.to_owned()))
        .collect()
}

/// Shared, as servers hold it.
pub type Identity = Arc<dyn CallerIdentity>;
