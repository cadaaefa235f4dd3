//! DNS in front of the registry: services, nodes and addresses by name, for programs without any client.
//!
//! [`Sockets`] are bound, a [`Resolver`] answers one message, [`serve`] runs both. Only names of the
//! configured zones are answered, and names of addresses; whoever asks for others is refused.

mod answer;
mod encode;
mod name;
mod records;
mod resolver;
mod reverse;
mod shuffle;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::{io, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use hickory_proto::rr::Name;
use listen::Shutdown;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use state::tokens::Rights;
use thiserror::Error;
use tokio::{
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};
use tracing::debug;

pub use self::resolver::Resolver;

/// How names are answered.
#[derive(Clone, Debug)]
pub struct Options {
    /// Zones that are answered for.
    pub zones: Vec<Zone>,
    /// Name of the datacenter that names may carry.
    pub datacenter: String,
    /// Whether instances whose checks warn are left out, as those always are whose checks are critical.
    pub only_passing: bool,
    /// How long answers may be kept.
    pub ttl: Duration,
    /// What callers may see: DNS knows no tokens.
    pub anonymous: Arc<Rights>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            zones: vec![Zone::consul()],
            datacenter: "dc1".to_owned(),
            only_passing: false,
            ttl: Duration::ZERO,
            anonymous: Arc::new(Rights::all()),
        }
    }
}

/// The name of a zone, such as `consul` or `cluster.local`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(Name);

/// Why something cannot be the name of a zone.
#[derive(Debug, Error)]
#[error("{text:?} cannot be the name of a zone")]
pub struct InvalidZone {
    /// What is given.
    text: String,
}

impl Zone {
    /// The zone of Consul's names.
    fn consul() -> Self {
        let mut name = Name::from_labels(["consul"]).unwrap_or_default();
        name.set_fqdn(true);
        Self(name)
    }
}

impl FromStr for Zone {
    type Err = InvalidZone;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |_error| InvalidZone {
            text: text.to_owned(),
        };
        let mut name = Name::from_ascii(text).map_err(invalid)?.to_lowercase();
        if name.num_labels() == 0 {
            return Err(InvalidZone {
                text: text.to_owned(),
            });
        }
        name.set_fqdn(true);
        Ok(Self(name))
    }
}

/// A port for both UDP and TCP.
#[derive(Debug)]
pub struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
    address: SocketAddr,
}

/// Bytes of questions that wait until they are read. The usual size holds less than 300, which a node's
/// programs ask at once when they start together.
const RECEIVE_BUFFER: usize = 4 << 20;

/// With port 0 a free port of UDP is taken, which may be taken for TCP: this many are tried.
const TRIES: usize = 16;

impl Sockets {
    /// Binds both; port 0 takes any port that is free for both.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut tries = TRIES;
        loop {
            let udp = UdpSocket::bind(address).await?;
            let taken = udp.local_addr()?;
            // The kernel gives what it allows; less than this is no reason not to answer.
            if let Err(error) = set_socket_recv_buffer_size(&udp, RECEIVE_BUFFER) {
                debug!(%error, %taken, "questions wait in a buffer of the usual size");
            }
            tries -= 1;
            match TcpListener::bind(taken).await {
                Ok(tcp) => {
                    return Ok(Self {
                        udp,
                        tcp,
                        address: taken,
                    });
                }
                Err(error) if address.port() != 0 || tries == 0 => return Err(error),
                Err(_taken) => {}
            }
        }
    }

    /// Where they listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Answers on all `sockets` until `shutdown` turns true.
pub async fn serve(sockets: Vec<Sockets>, resolver: Resolver, shutdown: Shutdown) {
    let resolver = Arc::new(resolver);
    let mut tasks = JoinSet::new();
    for sockets in sockets {
        let udp = Arc::new(sockets.udp);
        for _ in 0..udp::tasks() {
            tasks.spawn(udp::serve(
                Arc::clone(&udp),
                Arc::clone(&resolver),
                shutdown.clone(),
            ));
        }
        tasks.spawn(tcp::serve(
            sockets.tcp,
            Arc::clone(&resolver),
            shutdown.clone(),
        ));
    }
    tasks.join_all().await;
}
