//! Settings of the registry become what the registry's crate wants.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use registry::{
    CertificateRule, CertificateRules, Limits, Options, ProbeOptions, TagRule, TagRules, consul,
    dns::{self, Zone},
    listen::Address,
    model::check_name,
    state::{
        self,
        tokens::{Right, Rights},
    },
};

use crate::config::{self, Problem, RegistryPolicy, RegistryRight, addresses};

/// Any address outside of this machine's networks: connecting a datagram socket to it sends nothing, but tells
/// which own address the way there begins at.
const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// What one address speaks.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    /// Consul's API.
    Http(Address),
    /// golens' own protocol.
    Grpc(Address),
    /// DNS.
    Dns(SocketAddr),
}

impl Endpoint {
    /// Word for the protocol, in API and log.
    pub(super) fn protocol(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Grpc(_) => "grpc",
            Self::Dns(_) => "dns",
        }
    }

    /// The address as it is configured.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Http(address) => address.to_string(),
            Self::Grpc(address) => format!("grpc+{address}"),
            Self::Dns(address) => format!("dns://{address}"),
        }
    }
}

/// All addresses to listen on.
pub(super) fn endpoints(config: &config::Registry) -> Result<Vec<Endpoint>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut endpoints = Vec::new();
    let mut plain =
        |path: &str, texts: &[String], endpoint: fn(Address) -> Endpoint| match addresses(
            &format!("registry.{path}"),
            texts,
        ) {
            Ok(found) => endpoints.extend(found.into_iter().map(endpoint)),
            Err(wrong) => problems.extend(wrong),
        };
    plain("http", &config.http, Endpoint::Http);
    plain("grpc", &config.grpc, Endpoint::Grpc);
    match config.tls.pair() {
        Some(files) => {
            let encrypted = |address: &SocketAddr| Address::Tls(*address, files.clone());
            endpoints.extend(config.https.iter().map(encrypted).map(Endpoint::Http));
            endpoints.extend(config.grpc_tls.iter().map(encrypted).map(Endpoint::Grpc));
        }
        None if config.https.is_empty() && config.grpc_tls.is_empty() => {}
        None => problems.push(Problem::new(
            "registry.tls",
            "encrypted addresses need a certificate and its key",
        )),
    }
    endpoints.extend(config.dns.iter().copied().map(Endpoint::Dns));
    match problems.is_empty() {
        true => Ok(endpoints),
        false => Err(problems),
    }
}

impl config::Registry {
    /// Every value that cannot work.
    pub(crate) fn validate(&self) -> Vec<Problem> {
        let mut problems = endpoints(self).err().unwrap_or_default();
        for (at, zone) in self.dns_zones.iter().enumerate() {
            if let Err(error) = zone.parse::<Zone>() {
                let path = format!("registry.dns_zones[{at}]");
                problems.push(Problem::new(path, error.to_string()));
            }
        }
        if let Err(error) = check_name("a namespace", &self.discovery.namespace) {
            let path = "registry.discovery.namespace";
            problems.push(Problem::new(path, error.to_string()));
        }
        problems.extend(
            self.etcd
                .problems()
                .into_iter()
                .map(|(name, message)| Problem::new(format!("registry.etcd.{name}"), message)),
        );
        let limits = [
            ("requests_per_second", self.limits.requests_per_second),
            ("burst", self.limits.burst),
            ("waits", self.limits.waits),
        ];
        for (name, limit) in limits {
            if limit == 0 {
                let path = format!("registry.limits.{name}");
                problems.push(Problem::new(path, "0 lets nobody call"));
            }
        }
        problems
    }
}

/// What callers without a token may do.
pub(super) fn anonymous(config: &config::Registry) -> Arc<Rights> {
    Arc::new(match config.default_policy {
        RegistryPolicy::Allow => Rights::all(),
        RegistryPolicy::Deny => Rights::none(),
    })
}

/// Rights as they are written in settings and on the command line.
pub(crate) fn rights(written: &BTreeMap<String, RegistryRight>) -> Rights {
    let written = written.iter();
    written.fold(Rights::none(), |rights, (namespace, right)| {
        rights.grant(
            namespace,
            match right {
                RegistryRight::Read => Right::Read,
                RegistryRight::Write => Right::Write,
                RegistryRight::Admin => Right::Admin,
            },
        )
    })
}

pub(super) fn limits(config: &config::Registry) -> Limits {
    Limits {
        requests_per_second: config.limits.requests_per_second,
        burst: config.limits.burst,
        waits: config.limits.waits,
        ..Limits::default()
    }
}

pub(super) fn tag_rules(config: &config::Registry) -> TagRules {
    let rules = config.tag_rules.iter().map(|rule| TagRule {
        tag: rule.tag.clone(),
        callers: rule.callers.clone(),
    });
    TagRules(rules.collect())
}

/// What clients may do by their certificates.
fn certificates(config: &config::Registry) -> CertificateRules {
    let rules = config.certificates.iter().map(|rule| CertificateRule {
        name: rule.name.clone(),
        rights: rights(&rule.rights),
    });
    CertificateRules(rules.collect())
}

/// What the Consul API says of this node.
pub(super) fn settings(config: &config::Registry) -> consul::Settings {
    consul::Settings {
        datacenter: config.datacenter.clone(),
        address: config.address.unwrap_or_else(own_address),
        anonymous: anonymous(config),
        certificates: Arc::new(certificates(config)),
        ..consul::Settings::default()
    }
}

/// How the registry is opened on a machine with this name.
pub(super) fn options(
    config: &config::Registry,
    settings: &consul::Settings,
    host: &str,
) -> Options {
    let name = match config.node.as_str() {
        "" => host,
        given => given,
    };
    Options {
        node: settings.node(name, BTreeMap::new()),
        node_checks: vec![consul::Settings::serf_check()],
        state: state::Options::default(),
        probes: ProbeOptions::default(),
        snapshot_interval: Some(config.snapshots.0).filter(|interval| *interval > Duration::ZERO),
    }
}

/// How DNS names are answered. Zones were checked with the settings.
pub(super) fn names(config: &config::Registry) -> dns::Options {
    let zones = config.dns_zones.iter().filter_map(|zone| zone.parse().ok());
    dns::Options {
        zones: zones.collect(),
        datacenter: config.datacenter.clone(),
        anonymous: anonymous(config),
        ..dns::Options::default()
    }
}

/// The address that other machines know this one by, as far as its routes tell; else loopback.
fn own_address() -> IpAddr {
    let found = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect(ELSEWHERE)?;
        socket.local_addr()
    });
    found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nonsense_value_is_named() {
        let mut config = config::Registry::default();
        assert_eq!(config.validate(), []);
        config.http = vec!["localhost".into()];
        config.grpc_tls = vec![SocketAddr::from(([127, 0, 0, 1], 1))];
        config.dns_zones = vec![String::new()];
        config.discovery.namespace = String::new();
        config.limits.waits = 0;
        let problems = config.validate().into_iter();
        let paths: Vec<_> = problems.map(|problem| problem.path).collect();
        assert_eq!(
            paths,
            [
                "registry.http[0]",
                "registry.tls",
                "registry.dns_zones[0]",
                "registry.discovery.namespace",
                "registry.limits.waits",
            ]
        );
    }

    #[test]
    fn the_own_address_is_one_that_this_machine_has() {
        UdpSocket::bind((own_address(), 0)).expect("an address of this machine");
    }
}
