//! The options by which a registry finds its cluster.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use registry::cluster::{Settings, TlsFiles, User};

/// Sharing with the registries of other nodes through etcd.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    /// Members of the etcd cluster through which registries share what they have, separated by commas; any
    /// of them will do. Every node needs a --node of its own, and an --address that others reach.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    etcd_endpoints: Vec<String>,
    /// Beginning of all keys in etcd. Registries with the same one see each other.
    #[arg(long, value_name = "PREFIX", default_value = "/golens/registry")]
    etcd_prefix: String,
    /// Authorities that etcd's certificate is checked by, PEM; those of the system without.
    #[arg(long, value_name = "FILE", requires = "etcd_endpoints")]
    etcd_ca: Option<PathBuf>,
    /// Certificate that etcd knows this node by, PEM.
    #[arg(long, value_name = "FILE", requires_all = ["etcd_endpoints", "etcd_key"])]
    etcd_cert: Option<PathBuf>,
    /// Private key of --etcd-cert, PEM.
    #[arg(long, value_name = "FILE", requires = "etcd_cert")]
    etcd_key: Option<PathBuf>,
    /// User of etcd.
    #[arg(long, value_name = "NAME", requires_all = ["etcd_endpoints", "etcd_password_file"])]
    etcd_user: Option<String>,
    /// File with the password of --etcd-user in its first line.
    #[arg(long, value_name = "FILE", requires = "etcd_user")]
    etcd_password_file: Option<PathBuf>,
    /// How long the instances of a node that died are still seen, at least 2s.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    etcd_ttl: Duration,
    /// Tell other nodes also what is registered on a loopback address, or without an address while this
    /// node's is one. They reach something else there, or nothing, unless they are on this machine.
    #[arg(long, requires = "etcd_endpoints")]
    etcd_publish_loopback: bool,
}

impl ClusterArgs {
    /// The settings; `None` for a registry that is alone.
    pub(super) fn settings(self) -> Option<Settings> {
        if self.etcd_endpoints.is_empty() {
            return None;
        }
        let user = self.etcd_user.zip(self.etcd_password_file);
        Some(Settings {
            endpoints: self.etcd_endpoints,
            prefix: self.etcd_prefix,
            tls: TlsFiles {
                authority: self.etcd_ca,
                identity: self.etcd_cert.zip(self.etcd_key),
            },
            user: user.map(|(name, password_file)| User {
                name,
                password_file,
            }),
            lease_ttl: self.etcd_ttl,
            publish_loopback: self.etcd_publish_loopback,
            ..Settings::default()
        })
    }
}
