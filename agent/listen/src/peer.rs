//! The other end of a connection.

use std::net::SocketAddr;

use crate::Certificate;

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP connection from this address.
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

/// All that is known of the other end before the first request.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Where it calls from.
    pub peer: Peer,
    /// What its certificate says, if it showed one.
    pub certificate: Certificate,
}
