//! The part of a Consul agent's configuration files that means something here.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::CompatError;
use crate::{
    consul::{fold, types::ServiceDefinition},
    listen::TlsFiles,
};

/// An agent as its files describe it. Other keys of Consul are ignored.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) node_name: String,
    pub(super) node_id: String,
    pub(super) node_meta: BTreeMap<String, String>,
    pub(super) datacenter: String,
    pub(super) primary_datacenter: String,
    pub(super) server: bool,
    pub(super) log_level: String,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) cert_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) verify_incoming_https: bool,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) bind_addr: Option<IpAddr>,
    pub(super) ports: Ports,
    pub(super) addresses: Addresses,
    pub(super) service: Option<ServiceDefinition>,
    pub(super) services: Vec<ServiceDefinition>,
}

/// Ports; those of gossip and servers are not served, and told to clients all the same.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Ports {
    pub(super) dns: Port,
    pub(super) http: Port,
    pub(super) https: Port,
    pub(super) grpc: Port,
    pub(super) grpc_tls: Port,
    pub(super) serf_lan: u16,
    pub(super) serf_wan: u16,
    pub(super) server: u16,
}

/// A port that may be switched off: by -1, as Consul writes it, or by 0.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Port(i32);

impl Port {
    /// The port, if it is to be served.
    pub(super) fn given(self) -> Option<u16> {
        u16::try_from(self.0).ok().filter(|port| *port != 0)
    }
}

/// Where to listen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Addresses {
    /// IP addresses and `unix://` paths, separated by spaces.
    pub(super) http: String,
    /// IP addresses, separated by spaces.
    pub(super) https: String,
    /// IP addresses, separated by spaces.
    pub(super) grpc: String,
    /// IP addresses, separated by spaces.
    pub(super) grpc_tls: String,
    /// IP addresses, separated by spaces.
    pub(super) dns: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_name: String::new(),
            node_id: String::new(),
            node_meta: BTreeMap::new(),
            datacenter: "dc1".to_owned(),
            primary_datacenter: String::new(),
            server: false,
            log_level: "info".to_owned(),
            ca_file: None,
            cert_file: None,
            key_file: None,
            verify_incoming_https: false,
            data_dir: None,
            bind_addr: None,
            ports: Ports::default(),
            addresses: Addresses::default(),
            service: None,
            services: Vec::new(),
        }
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            dns: Port(8600),
            http: Port(8500),
            https: Port(-1),
            grpc: Port(-1),
            grpc_tls: Port(-1),
            serf_lan: 8301,
            serf_wan: 8302,
            server: 8300,
        }
    }
}

impl Config {
    /// Reads files one over the other: a member of a later file replaces that of an earlier one.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, CompatError> {
        let mut merged = Map::new();
        for file in files {
            merged.extend(members(file)?);
        }
        fold::from_value(Value::Object(merged)).map_err(|source| CompatError::Config {
            files: files.to_vec(),
            source,
        })
    }

    /// Every service that the files define.
    pub(super) fn into_services(self) -> impl Iterator<Item = ServiceDefinition> {
        self.service.into_iter().chain(self.services)
    }

    /// The files of HTTPS and of gRPC with encryption; clients have to show certificates only where they are verified.
    ///
    /// # Errors
    /// They are to be verified, and there is nothing to verify them by.
    pub(super) fn certificates(&self) -> Result<Option<TlsFiles>, CompatError> {
        let (Some(certificate), Some(key)) = (&self.cert_file, &self.key_file) else {
            return Ok(None);
        };
        if self.verify_incoming_https && self.ca_file.is_none() {
            return Err(CompatError::NoAuthority);
        }
        let authority = self.ca_file.clone();
        Ok(Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            client_authority: authority.filter(|_| self.verify_incoming_https),
        }))
    }

    /// Address of the node.
    pub(super) fn address(&self) -> IpAddr {
        match self.bind_addr {
            Some(address) if !address.is_unspecified() => address,
            _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }
}

/// The members of a JSON file; an empty file has none.
fn members(file: &Path) -> Result<Map<String, Value>, CompatError> {
    let text = std::fs::read_to_string(file).map_err(|source| CompatError::File {
        file: file.to_owned(),
        source,
    })?;
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(&text).map_err(|source| CompatError::Config {
        files: vec![file.to_owned()],
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_files_win_and_foreign_keys_are_ignored() {
        let folder = std::env::temp_dir().join(format!("golens-compat-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let first = write(
            "a.json",
            r#"{"node_name": "n", "datacenter": "dc1", "ports": {"http": 1, "grpc": 2, "dns": -1},
                "performance": {"raft_multiplier": 1}, "segments": null, "bind_addr": "127.0.0.1"}"#,
        );
        let empty = write("b.json", "\n");
        let last = write(
            "c.json",
            r#"{"datacenter": "dc2", "service": {"name": "redis", "port": 1234, "Meta": {"some": "meta"}}}"#,
        );
        let config = Config::read(&[first, empty, last]).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(config.node_name, "n");
        assert_eq!(config.datacenter, "dc2");
        assert_eq!(config.ports.http.given(), Some(1));
        assert_eq!(config.ports.dns.given(), None);
        let services: Vec<_> = config.into_services().collect();
        assert_eq!(services.len(), 1);
        assert_eq!(services[0].meta["some"], "meta");
    }
}
