//! A registry by itself: state and listeners, nothing else of the agent.

use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{
    CallerIdentity, Limiter, Limits, OpenError, Options, ProbeOptions, Registry, RegistryError,
    cluster::{self, Cluster, JoinError},
    consul::{self, Reload, Server, Settings},
    dns, grpc,
    listen::{Address, HTTP_1, HTTP_2, ListenError, Listener},
};

/// Name of the state's file in its folder.
pub const STATE: &str = "golens.redb";

/// What to start.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Folder of the state; made if it is not there.
    pub data: PathBuf,
    /// Name of the node; empty for the name of the machine.
    pub node: String,
    /// Metadata of the node.
    pub node_meta: BTreeMap<String, String>,
    /// Where to listen for HTTP.
    pub listen: Vec<Address>,
    /// Where to listen for gRPC.
    pub grpc: Vec<Address>,
    /// Where to listen for DNS, by UDP and TCP.
    pub dns: Vec<SocketAddr>,
    /// How DNS names are answered.
    pub names: dns::Options,
    /// Time between snapshots beside the state; none are kept without.
    pub snapshot_interval: Option<Duration>,
    /// The cluster that it belongs to; none for a registry that is alone.
    pub cluster: Option<cluster::Settings>,
    /// What the Consul API says of itself.
    pub settings: Settings,
}

/// Why a registry did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The folder of the state cannot be made.
    #[error("cannot make the data directory {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The machine does not tell its name.
    #[error("cannot read the name of this machine")]
    HostName(#[source] io::Error),
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// A listener cannot be set up.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The state could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The service that stands for Consul itself was not taken.
    #[error("cannot register the registry itself")]
    Announce(#[source] RegistryError),
    /// The cluster cannot be joined.
    #[error("cannot join the cluster")]
    Join(#[from] JoinError),
    /// What was known of other nodes cannot be removed.
    #[error("cannot forget the nodes of the cluster that it was in")]
    Forget(#[source] RegistryError),
}

/// A registry whose state is open and whose sockets are bound. Nobody is answered yet.
pub struct Standalone {
    registry: Registry,
    cluster: Option<Cluster>,
    settings: Settings,
    listeners: Vec<Listener>,
    grpc: Vec<Listener>,
    addresses: Vec<String>,
    dns: Vec<dns::Sockets>,
    names: dns::Options,
}

impl Standalone {
    /// Binds the sockets, then opens the state: whoever connects in between is answered later, and a second
    /// registry for the same addresses fails before it touches the state.
    ///
    /// # Errors
    /// When an address is taken, or the state cannot be opened.
    pub async fn open(plan: Plan) -> Result<Self, StartError> {
        let mut addresses = Vec::new();
        let listeners = bind(plan.listen, HTTP_1, &mut addresses).await?;
        let grpc = bind(plan.grpc, HTTP_2, &mut addresses).await?;
        let mut dns = Vec::with_capacity(plan.dns.len());
        for address in plan.dns {
            let refused = ListenError::bind(format!("dns://{address}"));
            dns.push(dns::Sockets::bind(address).await.map_err(refused)?);
        }
        make_folder(&plan.data)?;
        let node = match plan.node.as_str() {
            "" => host_name().map_err(StartError::HostName)?,
            given => given.to_owned(),
        };
        let options = Options {
            node: plan.settings.node(&node, plan.node_meta),
            node_checks: vec![Settings::serf_check()],
            state: state::Options::default(),
            probes: ProbeOptions::default(),
            snapshot_interval: plan.snapshot_interval,
        };
        let (registry, recovery) = Registry::open(&plan.data.join(STATE), options).await?;
        if let Some(recovery) = recovery {
            tracing::error!(?recovery, "the state was damaged");
        }
        consul::announce(&registry, &plan.settings)
            .await
            .map_err(StartError::Announce)?;
        let cluster = match plan.cluster {
            Some(settings) => {
                settings.check_files()?;
                Some(Cluster::join(&registry, settings).await?)
            }
            None => {
                cluster::forget(&registry)
                    .await
                    .map_err(StartError::Forget)?;
                None
            }
        };
        Ok(Self {
            registry,
            cluster,
            settings: plan.settings,
            listeners,
            grpc,
            addresses,
            dns,
            names: plan.names,
        })
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where it listens, with the ports that were really taken, such as `http://127.0.0.1:8500`.
    pub fn addresses(&self) -> impl Iterator<Item = String> {
        let http = self.addresses.iter().cloned();
        let dns = self.dns.iter().map(|sockets| sockets.address());
        http.chain(dns.map(|address| format!("dns://{address}")))
    }

    /// What `/v1/agent/reload` does.
    pub fn on_reload(&mut self, reload: Reload) {
        self.settings.reload = Some(reload);
    }

    /// Answers until `end`; requests that are under way are answered still.
    pub async fn serve(self, identity: Arc<dyn CallerIdentity>, end: impl Future<Output = ()>) {
        let cluster = self.cluster;
        let (ending, ends) = watch::channel(false);
        let resolver = dns::Resolver::new(self.registry.clone(), self.names);
        let limiter = Arc::new(Limiter::new(Limits::default()));
        let protocol = grpc::Settings {
            identity: Arc::clone(&identity),
            anonymous: Arc::clone(&self.settings.anonymous),
            certificates: Arc::clone(&self.settings.certificates),
            limiter: Arc::clone(&limiter),
        };
        let protocol = grpc::serve(self.grpc, self.registry.clone(), protocol, ends.clone());
        let server = Server::new(self.registry, self.settings, identity, ends.clone());
        let server = server.limited_by(limiter);
        let served = async {
            let (_, outcome, _) = tokio::join!(
                consul::serve(self.listeners, server, ends.clone()),
                protocol,
                dns::serve(self.dns, resolver, ends),
            );
            if let Err(error) = outcome {
                tracing::error!(%error, "gRPC is not served");
            }
        };
        tokio::pin!(served);
        tokio::select! {
            () = served.as_mut() => return,
            () = end => {}
        }
        ending.send_replace(true);
        served.await;
        drop(cluster);
    }
}

/// Binds all of them, and notes where they listen.
async fn bind(
    wanted: Vec<Address>,
    protocol: &str,
    addresses: &mut Vec<String>,
) -> Result<Vec<Listener>, ListenError> {
    let mut listeners = Vec::with_capacity(wanted.len());
    for address in wanted {
        let (listener, address) = address.bind(protocol).await?;
        listeners.push(listener);
        addresses.push(match protocol {
            HTTP_2 => format!("grpc+{address}"),
            _ => address.to_string(),
        });
    }
    Ok(listeners)
}

/// The signals that end a program: SIGINT and SIGTERM. Asked for first, so that none is lost in the start.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes them from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take() -> Result<Self, StartError> {
        let take = |kind| signal(kind).map_err(StartError::Signals);
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// Waits for the first.
    pub async fn received(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Makes the folder of a state. Others need not read which hashes tokens have.
///
/// # Errors
/// When the system refuses.
pub fn make_folder(folder: &Path) -> Result<(), StartError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| StartError::Folder {
        folder: folder.to_owned(),
        source,
    })
}

fn host_name() -> io::Result<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    Ok(name.trim().to_owned())
}

/// The node as it is called where nobody names it: by the name of the machine.
///
/// # Errors
/// When the machine does not tell its name.
pub fn node(settings: &Settings) -> Result<crate::model::Node, StartError> {
    let name = host_name().map_err(StartError::HostName)?;
    Ok(settings.node(&name, BTreeMap::new()))
}
