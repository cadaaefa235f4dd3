//! etcd with one member, in memory as far as it can be: tests do not ask what a power failure leaves.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::Result;

use super::{Server, binary, server::free_ports};
use crate::harness::Network;

/// Port of clients in a network of its own.
const PORT: u16 = 2379;

/// A running etcd.
#[derive(Debug)]
pub struct Etcd {
    server: Server,
    /// Where clients connect.
    pub address: SocketAddr,
}

impl Etcd {
    /// Starts one on loopback, with its data and its log in `directory`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(directory: &Path) -> Result<Self> {
        let [address, peer] = free_ports()?;
        let command = Command::new(binary("GOLENS_ETCD")?);
        Self::spawn(command, address, address, peer, directory)
    }

    /// Starts one in a network of its own, where it listens on every address. [`address`](Self::address) is
    /// that of the first link.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start_in(network: &Network, directory: &Path) -> Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
        let address = SocketAddr::new(network.link(0).inside.parse()?, PORT);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT + 1));
        let command = network.command(&binary("GOLENS_ETCD")?);
        Self::spawn(command, any, address, peer, directory)
    }

    fn spawn(
        mut command: Command,
        listen: SocketAddr,
        address: SocketAddr,
        peer: SocketAddr,
        directory: &Path,
    ) -> Result<Self> {
        let [listen, client, peer] = [listen, address, peer].map(|at| format!("http://{at}"));
        command.arg("--data-dir").arg(directory.join("etcd"));
        for (option, value) in [
            ("--listen-client-urls", listen.as_str()),
            ("--advertise-client-urls", &client),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
            ("--initial-cluster", &format!("default={peer}")),
        ] {
            command.args([option, value]);
        }
        let mut server = Server::start("etcd", command.arg("--unsafe-no-fsync"), directory)?;
        server.wait_ready(address, "/health", Duration::from_secs(20))?;
        Ok(Self { server, address })
    }

    /// Stops it in its tracks: connections stay open, and nothing is answered.
    pub fn pause(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.server.pid()).expect("a process id");
        // SAFETY: no memory is involved; the child is not reaped yet, so the id is still its own.
        let sent = unsafe { libc::kill(pid, signal) };
        assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
    }
}
