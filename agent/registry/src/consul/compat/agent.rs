//! The agent: state, self-registration, listeners, until SIGINT or SIGTERM.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{CompatError, config::Config};
use crate::{
    ByPeer, Caller, Options, ProbeOptions, Registry,
    consul::{
        Listener, Server, announce, serve,
        settings::{Reload, Settings, VERSION},
        types::ServiceDefinition,
    },
    model::{DEFAULT_NAMESPACE, Name},
};

/// Runs until a signal asks it to end.
pub(super) async fn run(files: Vec<PathBuf>) -> Result<(), CompatError> {
    // Asked for first: a signal during the start must not be lost.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let config = Config::read(&files)?;
    let listeners = listeners(&config).await?;
    let mut settings = settings(&config);
    let registry = open(&config, &settings).await?;
    announce(&registry, &settings).await?;
    register(&registry, config.into_services()).await?;
    settings.reload = Some(reload(registry.clone(), files));
    let (end, ends) = watch::channel(false);
    let server = Server::new(registry, settings, Arc::new(ByPeer), ends.clone());
    let served = tokio::spawn(serve(listeners, server, ends));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    end.send_replace(true);
    served.await.map_err(std::io::Error::from)?;
    Ok(())
}

fn settings(config: &Config) -> Settings {
    Settings {
        datacenter: config.datacenter.clone(),
        version: VERSION.to_owned(),
        node_id: config.node_id.clone(),
        address: config.address(),
        serf_port: config.ports.serf_lan,
        server_port: config.ports.server,
        ..Settings::default()
    }
}

async fn open(config: &Config, settings: &Settings) -> Result<Registry, CompatError> {
    let folder = config
        .data_dir
        .clone()
        .unwrap_or_else(|| PathBuf::from("."));
    std::fs::create_dir_all(&folder)?;
    let name = match config.node_name.as_str() {
        "" => hostname()?,
        given => given.to_owned(),
    };
    let options = Options {
        node: settings.node(&name, config.node_meta.clone()),
        node_checks: vec![Settings::serf_check()],
        state: state::Options::default(),
        probes: ProbeOptions::default(),
        snapshot_interval: None,
    };
    let (registry, recovery) = Registry::open(&folder.join("golens.redb"), options).await?;
    if let Some(recovery) = recovery {
        tracing::error!(?recovery, "the state was damaged");
    }
    Ok(registry)
}

fn hostname() -> Result<String, CompatError> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    Ok(name.trim().to_owned())
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

/// Binds the HTTP port or the Unix sockets that the configuration names.
async fn listeners(config: &Config) -> Result<Vec<Listener>, CompatError> {
    let mut listeners = Vec::new();
    let addresses = match config.addresses.http.trim() {
        "" => "127.0.0.1",
        given => given,
    };
    for address in addresses.split_whitespace() {
        let listen = |source| CompatError::Listen {
            address: address.to_owned(),
            source,
        };
        if let Some(path) = address.strip_prefix("unix://") {
            listeners.push(Listener::Unix(UnixListener::bind(path).map_err(listen)?));
        } else if let Ok(port @ 1..) = u16::try_from(config.ports.http) {
            let ip = address
                .parse()
                .map_err(|error| listen(std::io::Error::other(error)))?;
            let bound = TcpListener::bind(SocketAddr::new(ip, port)).await;
            listeners.push(Listener::Tcp(bound.map_err(listen)?));
        }
    }
    Ok(listeners)
}
