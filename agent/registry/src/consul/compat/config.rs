//! The part of a Consul agent's configuration files that means something here.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::CompatError;
use crate::consul::{fold, types::ServiceDefinition};

/// An agent as its files describe it. Other keys of Consul are ignored.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Config {
    pub(super) node_name: String,
    pub(super) node_id: String,
    pub(super) node_meta: BTreeMap<String, String>,
    pub(super) datacenter: String,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) bind_addr: Option<IpAddr>,
    pub(super) ports: Ports,
    pub(super) addresses: Addresses,
    pub(super) service: Option<ServiceDefinition>,
    pub(super) services: Vec<ServiceDefinition>,
}

/// Ports; what is not served is told to clients all the same. Not positive: not served.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Ports {
    pub(super) http: i32,
    pub(super) serf_lan: u16,
    pub(super) server: u16,
}

/// Where to listen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Addresses {
    /// IP addresses and `unix://` paths, separated by spaces.
    pub(super) http: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_name: String::new(),
            node_id: String::new(),
            node_meta: BTreeMap::new(),
            datacenter: "dc1".to_owned(),
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
            http: 8500,
            serf_lan: 8301,
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
        assert_eq!(config.ports.http, 1);
        let services: Vec<_> = config.into_services().collect();
        assert_eq!(services.len(), 1);
        assert_eq!(services[0].meta["some"], "meta");
    }
}
