//! etcd with one member, in memory as far as it can be: tests do not ask what a power failure leaves.

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Result;

use super::{Server, binary, server::free_ports};

/// A running etcd.
#[derive(Debug)]
pub struct Etcd {
    server: Server,
    /// Where clients connect.
    pub address: SocketAddr,
}

impl Etcd {
    /// Starts one with its data and its log in `directory`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(directory: &Path) -> Result<Self> {
        let [address, peer] = free_ports()?;
        let (client, peer) = (format!("http://{address}"), format!("http://{peer}"));
        let mut command = Command::new(binary("GOLENS_ETCD")?);
        command.arg("--data-dir").arg(directory.join("etcd"));
        for (option, value) in [
            ("--listen-client-urls", client.as_str()),
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

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}
