//! What the cluster needs to be told.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::endpoints::Endpoints;
use crate::degrade::{BreakerSettings, FreshnessSettings, ProtectionSettings};

/// The shortest time that etcd gives a lease with its own defaults.
const SHORTEST_TTL: Duration = Duration::from_secs(2);

/// How to reach the back end, and what to put there.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Members of the etcd cluster, such as `https://10.0.0.5:2379`; any of them will do.
    pub endpoints: Vec<String>,
    /// Beginning of all keys; begins with a slash and does not end with one.
    pub prefix: String,
    /// How to know etcd, and how it knows this node.
    pub tls: TlsFiles,
    /// User of etcd.
    pub user: Option<User>,
    /// Time after which the instances of a node that died are gone. Rounded up to seconds.
    pub lease_ttl: Duration,
    /// Most keys that live by one lease.
    pub keys_per_lease: usize,
    /// Publish registrations whose address is loopback as well. What golens found by itself on such an address
    /// is never published.
    pub publish_loopback: bool,
    /// A call that takes longer has timed out.
    pub call_timeout: Duration,
    /// Time between two comparisons of everything.
    pub compare_every: Duration,
    /// When the view of other nodes is old.
    pub freshness: FreshnessSettings,
    /// When the back end is left alone.
    pub breaker: BreakerSettings,
    /// When an empty service is not believed.
    pub protection: ProtectionSettings,
}

/// PEM files for `https` endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Authorities that etcd's certificate is checked by; those of the system without.
    pub authority: Option<PathBuf>,
    /// Certificate and key that etcd knows this node by.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A user of etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// File with the password in its first line; read for each connection.
    pub password_file: PathBuf,
}

impl User {
    pub(super) fn password(&self) -> Result<String, JoinError> {
        let text = read(&self.password_file)?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            prefix: "/golens/registry".to_owned(),
            tls: TlsFiles::default(),
            user: None,
            lease_ttl: Duration::from_secs(30),
            keys_per_lease: 200,
            publish_loopback: false,
            call_timeout: Duration::from_secs(3),
            compare_every: Duration::from_secs(300),
            freshness: FreshnessSettings::default(),
            breaker: BreakerSettings::default(),
            protection: ProtectionSettings::default(),
        }
    }
}

/// Why a registry cannot join a cluster.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// There is no endpoint.
    #[error("no endpoint of etcd is given")]
    NoEndpoint,
    /// An endpoint is not a URL with host and port.
    #[error(
        "cannot use the endpoint {endpoint:?} of etcd: it is to be such as http://10.0.0.5:2379"
    )]
    Endpoint {
        /// As it was given.
        endpoint: String,
    },
    /// The prefix would not give keys of its own.
    #[error(
        "cannot use the prefix {prefix:?}: it is to begin with a slash, and not to end with one"
    )]
    Prefix {
        /// As it was given.
        prefix: String,
    },
    /// The lease is too short.
    #[error("a lease of {} s is too short: etcd gives no less than {} s", ttl.as_secs_f64(), SHORTEST_TTL.as_secs())]
    Ttl {
        /// As it was given.
        ttl: Duration,
    },
    /// A PEM file cannot be read.
    #[error("cannot read {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The files do not make a usable TLS configuration.
    #[error("cannot use the certificates for etcd")]
    Tls(#[source] tonic::transport::Error),
    /// The registry has a cluster already.
    #[error("the registry belongs to a cluster already")]
    Joined,
    /// The state does not tell or take who this registry is.
    #[error("cannot find out who this registry is")]
    Identity(#[source] Box<crate::RegistryError>),
}

/// Reads a file that the settings name.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, JoinError> {
    std::fs::read(file).map_err(|source| JoinError::File {
        file: file.to_owned(),
        source,
    })
}

impl Settings {
    /// Everything about the settings themselves that cannot work; files are looked at when they are used.
    #[must_use]
    pub fn problems(&self) -> Vec<JoinError> {
        let mut problems = Vec::new();
        if self.endpoints.is_empty() {
            problems.push(JoinError::NoEndpoint);
        }
        let endpoints = self.endpoints.iter().map(|endpoint| uri(endpoint));
        problems.extend(endpoints.filter_map(Result::err));
        if !self.prefix.starts_with('/') || self.prefix.ends_with('/') {
            let prefix = self.prefix.clone();
            problems.push(JoinError::Prefix { prefix });
        }
        if self.lease_ttl < SHORTEST_TTL {
            let ttl = self.lease_ttl;
            problems.push(JoinError::Ttl { ttl });
        }
        problems
    }

    /// Whether the files of certificates and the password can be used now. They are read for each connection,
    /// so this is for those who would rather not start.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn check_files(&self) -> Result<(), JoinError> {
        Endpoints::new(self).check()
    }
}

/// An endpoint, and whether it is encrypted.
pub(super) fn uri(endpoint: &str) -> Result<(http::Uri, bool), JoinError> {
    let wrong = || JoinError::Endpoint {
        endpoint: endpoint.to_owned(),
    };
    let uri: http::Uri = endpoint.parse().map_err(|_error| wrong())?;
    match (uri.scheme_str(), uri.port()) {
        (Some("http"), Some(_)) => Ok((uri, false)),
        (Some("https"), Some(_)) => Ok((uri, true)),
        _ => Err(wrong()),
    }
}
