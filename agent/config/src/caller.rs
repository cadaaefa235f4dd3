//! Who reads documents.

use std::{fmt, sync::Arc};

pub use listen::Peer;

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

/// Shared, as servers hold it.
pub type Identity = Arc<dyn CallerIdentity>;
