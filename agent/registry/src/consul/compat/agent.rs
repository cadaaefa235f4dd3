//! The agent: state, self-registration, listeners, until SIGINT or SIGTERM.

use std::{net::IpAddr, net::SocketAddr, path::PathBuf, sync::Arc};

use super::{
    CompatError,
    config::{Config, Port},
};
use crate::{
    ByPeer, Caller, Registry,
    consul::{
        settings::{Reload, Settings},
        types::ServiceDefinition,
    },
    dns,
    listen::Address,
    model::{DEFAULT_NAMESPACE, Name},
    standalone::{Plan, Signals, Standalone},
};

/// Runs until a signal asks it to end.
pub(super) async fn run(config: Config, files: Vec<PathBuf>) -> Result<(), CompatError> {
    let signals = Signals::take()?;
    let mut agent = Standalone::open(plan(&config)?).await?;
    register(agent.registry(), config.into_services()).await?;
    agent.on_reload(reload(agent.registry().clone(), files));
    agent.serve(Arc::new(ByPeer), signals.received()).await;
    Ok(())
}

fn plan(config: &Config) -> Result<Plan, CompatError> {
    Ok(Plan {
        cluster: None,
        data: config.data_dir.clone().unwrap_or_else(|| ".".into()),
        node: config.node_name.clone(),
        node_meta: config.node_meta.clone(),
        listen: http_addresses(config)?,
        grpc: grpc_addresses(config)?,
        dns: dns_addresses(config)?,
        names: dns::Options {
            datacenter: config.datacenter.clone(),
            ..dns::Options::default()
        },
        snapshot_interval: None,
        settings: Settings {
            datacenter: config.datacenter.clone(),
            primary_datacenter: config.primary_datacenter.clone(),
            is_server: config.server,
            node_id: config.node_id.clone(),
            address: config.address(),
            serf_port: config.ports.serf_lan,
            serf_wan_port: config.ports.serf_wan,
            server_port: config.ports.server,
            ..Settings::default()
        },
    })
}

/// The addresses for HTTP, on the HTTP port or at Unix sockets, and those for HTTPS.
fn http_addresses(config: &Config) -> Result<Vec<Address>, CompatError> {
    let (ports, addresses) = (&config.ports, &config.addresses);
    let mut all = plain(ports.http, &addresses.http)?;
    all.extend(encrypted(config, "HTTPS", ports.https, &addresses.https)?);
    Ok(all)
}

/// The addresses for gRPC, where Consul talks to the proxies of its mesh. Here it is golens' own protocol.
fn grpc_addresses(config: &Config) -> Result<Vec<Address>, CompatError> {
    let (ports, addresses) = (&config.ports, &config.addresses);
    let mut all = plain(ports.grpc, &addresses.grpc)?;
    all.extend(encrypted(
        config,
        "gRPC with encryption",
        ports.grpc_tls,
        &addresses.grpc_tls,
    )?);
    Ok(all)
}

fn plain(port: Port, hosts: &str) -> Result<Vec<Address>, CompatError> {
    let mut addresses = Vec::new();
    for text in words_or_local(hosts) {
        if text.starts_with("unix://") {
            addresses.push(Address::Unix(text.trim_start_matches("unix://").into()));
        } else if let Some(port) = port.given() {
            addresses.push(Address::Tcp(SocketAddr::new(ip(text)?, port)));
        }
    }
    Ok(addresses)
}

/// The addresses of `what`; none where no certificates are configured.
fn encrypted(
    config: &Config,
    what: &str,
    port: Port,
    hosts: &str,
) -> Result<Vec<Address>, CompatError> {
    let Some(port) = port.given() else {
        return Ok(Vec::new());
    };
    let Some(files) = config.certificates()? else {
        tracing::info!(
            port,
            "{what} is not served: there is no cert_file or no key_file"
        );
        return Ok(Vec::new());
    };
    let address = |text| {
        Ok(Address::Tls(
            SocketAddr::new(ip(text)?, port),
            files.clone(),
        ))
    };
    words_or_local(hosts).map(address).collect()
}

fn dns_addresses(config: &Config) -> Result<Vec<SocketAddr>, CompatError> {
    let Some(port) = config.ports.dns.given() else {
        return Ok(Vec::new());
    };
    let addresses = words_or_local(&config.addresses.dns).map(ip);
    addresses
        .map(|address| Ok(SocketAddr::new(address?, port)))
        .collect()
}

fn words_or_local(text: &str) -> impl Iterator<Item = &str> {
    let text = if text.trim().is_empty() {
        "127.0.0.1"
    } else {
        text
    };
    text.split_whitespace()
}

fn ip(text: &str) -> Result<IpAddr, CompatError> {
    text.parse().map_err(|source| CompatError::Address {
        address: text.to_owned(),
        source,
    })
}

/// Registers the services of the configuration.
async fn register(
    registry: &Registry,
    services: impl Iterator<Item = ServiceDefinition>,
) -> Result<(), CompatError> {
    for service in services {
        let name = service.name.clone();
        let failed = |reason: String| CompatError::Service {
            name: name.clone(),
            reason,
        };
        let registration = service
            .registration(
                DEFAULT_NAMESPACE.into(),
                Name::clone(registry.node_name()),
                true,
            )
            .map_err(|error| failed(error.text.into_owned()))?;
        registry.register(registration, &Caller::internal()).await?;
    }
    Ok(())
}

/// Reads the files again and registers their services.
fn reload(registry: Registry, files: Vec<PathBuf>) -> Reload {
    let files: Arc<[PathBuf]> = files.into();
    Arc::new(move || {
        let (registry, files) = (registry.clone(), Arc::clone(&files));
        Box::pin(async move {
            let config = Config::read(&files)?;
            register(&registry, config.into_services()).await
        })
    })
}
