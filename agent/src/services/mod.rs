//! The node's service registry, as part of the agent.
//!
//! ```text
//! plan        settings -> what the registry's crate wants
//! policies    limits and rules of tags, followed while the registry runs
//! listener    one address: bound, served, tried again
//! sockets     processes -> who listens where, and who reaches that
//! callers     connections -> the process that calls
//! cluster     the registries of all nodes as one, through etcd
//! discovered  listening sockets -> instances; gone with the process
//! ports       spans -> which port serves only pprof or metrics
//! documents   documents of the config watcher -> keys of the registry's key-value API
//! status      how all of it is, for the API and metrics
//! ```
//!
//! Nothing here stops the observing half, and nothing of that stops this one: what cannot be had, a folder or
//! a port, is said and tried again.

mod callers;
mod cluster;
mod discovered;
mod documents;
mod listener;
mod plan;
mod policies;
mod ports;
mod sock_diag;
mod sockets;
mod status;

use std::{sync::Arc, time::Duration};

use registry::{
    Limiter, Registry,
    consul::{self, KeyMount},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

pub use self::{
    callers::Callers,
    cluster::ClusterReport,
    discovered::{Found, Outcome},
    documents::{DocumentKeys, Introduce},
    ports::PortUse,
    status::{Event, ListenerReport, Report, State as RegistryState, Status},
};
use self::{
    discovered::Discovered, listener::Served, plan::Endpoint, policies::Policies, status::State,
};
use crate::{
    config::{self, Live},
    discovery::ProcessId,
    doctor::error_chain,
    identity::Resource,
    telemetry::Telemetry,
};

/// Between two tries to open the state.
const RETRY: Duration = Duration::from_secs(5);
/// Between two updates of the metrics.
const PUBLISH: Duration = Duration::from_secs(1);
/// What is under way may take this long when golens ends.
const STOP: Duration = Duration::from_secs(3);

/// A process that is observed.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The process.
    pub id: ProcessId,
    /// Its identity.
    pub resource: Arc<Resource>,
}

/// The processes that are observed.
pub struct Targets {
    /// All of them now.
    pub list: Box<dyn Fn() -> Vec<Subject> + Send + Sync>,
    /// Changes when one came or went.
    pub changes: watch::Receiver<u64>,
    /// Whether those that ran before golens are among them, as far as they are to be.
    pub settled: Box<dyn Fn() -> bool + Send + Sync>,
}

/// What the registry has from the rest of the agent.
pub struct Surroundings {
    /// The processes that are observed.
    pub targets: Arc<Targets>,
    /// Who calls.
    pub callers: Arc<Callers>,
    /// What ports are used for.
    pub ports: Arc<PortUse>,
    /// Documents that are shown as keys, if there are any.
    pub mount: Option<Arc<dyn KeyMount>>,
    /// The settings, whose policies are followed.
    pub live: Live,
}

/// The running registry.
#[derive(Debug)]
pub struct Services {
    status: Arc<Status>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Services {
    /// Begins to open the state and to listen; returns at once.
    #[must_use]
    pub fn start(
        config: &config::Registry,
        host: String,
        around: Surroundings,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let state = match config.enabled {
            true => State::Waiting,
            false => State::Off,
        };
        let status = Arc::new(Status::new(state, config.etcd.endpoints.clone()));
        let (stop, stopped) = watch::channel(false);
        let half = Half {
            config: config.clone(),
            host,
            around,
            status: Arc::clone(&status),
            telemetry,
        };
        let task = tokio::spawn(async move {
            if half.config.enabled {
                tokio::select! {
                    () = half.run(stopped) => {}
                    () = half.publish() => {}
                }
            }
        });
        Self { status, stop, task }
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Takes no more calls, and follows processes no more; what is under way is answered meanwhile.
    pub fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the end.
    pub async fn ended(mut self) {
        self.end();
        if tokio::time::timeout(STOP, &mut self.task).await.is_err() {
            tracing::warn!("the registry does not end in time and is cut off");
            self.task.abort();
        }
    }
}

/// What the registry's task works on.
struct Half {
    config: config::Registry,
    host: String,
    around: Surroundings,
    status: Arc<Status>,
    telemetry: Arc<Telemetry>,
}

impl Half {
    /// Brings the registry's metrics up to date, for ever.
    async fn publish(&self) {
        let metrics = self.telemetry.own().registry();
        let mut ticks = tokio::time::interval(PUBLISH);
        loop {
            ticks.tick().await;
            let (listening, waiting) = self.status.listeners();
            metrics.listeners(listening, waiting);
            metrics.events(&self.status.counts());
            if let Some(registry) = self.status.registry() {
                metrics.publish(&registry.statistics());
                if let Some(cluster) = registry.cluster_status() {
                    metrics.cluster(&cluster);
                }
                metrics.resolves(&registry.resolve_counts());
                self.status.fallbacks(registry.take_fallbacks());
            }
        }
    }

    async fn run(&self, mut stop: watch::Receiver<bool>) {
        // Checked with the settings.
        let endpoints = plan::endpoints(&self.config).unwrap_or_default();
        let settings = consul::Settings {
            mount: self.around.mount.clone(),
            ..plan::settings(&self.config)
        };
        let registry = loop {
            match self.open(&settings).await {
                Ok(registry) => break registry,
                Err(reason) => {
                    if self.status.waiting(reason.clone()) {
                        tracing::warn!(reason, "the registry does not start; it tries again");
                    }
                }
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(RETRY) => {}
            }
        };
        let limiter = Arc::new(Limiter::new(plan::limits(&self.config)));
        let policies = Policies {
            registry: registry.clone(),
            limiter: Arc::clone(&limiter),
        };
        policies.set(&self.config);
        self.status.serving(registry.clone());
        let mut tasks = self.listen(endpoints, settings, &registry, limiter, &stop);
        tasks.spawn(policies.follow(self.around.live.clone(), stop.clone()));
        let (complete, is_complete) = watch::channel(!self.config.discovery.enabled);
        if let Some(etcd) = self.config.etcd.settings() {
            let status = Arc::clone(&self.status);
            let (registry, stop) = (registry.clone(), stop.clone());
            tasks.spawn(cluster::keep(registry, etcd, status, is_complete, stop));
        }
        if self.config.discovery.enabled {
            let discovered = Discovered {
                complete,
                registry,
                settings: self.config.discovery.clone(),
                targets: Arc::clone(&self.around.targets),
                ports: Arc::clone(&self.around.ports),
                status: Arc::clone(&self.status),
            };
            tasks.spawn(discovered.run(stop));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the registry ended with a panic");
            }
        }
    }

    /// Opens the state, or says why it cannot be opened.
    async fn open(&self, settings: &consul::Settings) -> Result<Registry, String> {
        let folder = &self.config.data;
        registry::standalone::make_folder(folder).map_err(|error| error_chain(&error))?;
        let options = plan::options(&self.config, settings, &self.host);
        let opened = Registry::open(&folder.join(registry::standalone::STATE), options).await;
        let (registry, recovery) = opened.map_err(|error| error_chain(&error))?;
        if let Some(recovery) = recovery {
            tracing::error!(?recovery, "the state of the registry was damaged");
        }
        if self.config.etcd.settings().is_none() {
            let forgotten = registry::cluster::forget(&registry).await;
            forgotten.map_err(|error| error_chain(&error))?;
        }
        let announced = consul::announce(&registry, settings).await;
        announced.map_err(|error| error_chain(&error))?;
        Ok(registry)
    }

    fn listen(
        &self,
        endpoints: Vec<Endpoint>,
        settings: consul::Settings,
        registry: &Registry,
        limiter: Arc<Limiter>,
        stop: &watch::Receiver<bool>,
    ) -> JoinSet<()> {
        let served = Served {
            registry: registry.clone(),
            settings,
            names: plan::names(&self.config),
            identity: Arc::clone(&self.around.callers) as _,
            limiter,
            status: Arc::clone(&self.status),
        };
        let mut tasks = JoinSet::new();
        for (number, endpoint) in endpoints.into_iter().enumerate() {
            tasks.spawn(listener::keep(
                number,
                endpoint,
                served.clone(),
                stop.clone(),
            ));
        }
        tasks
    }
}

#[cfg(test)]
mod testing {
    pub(super) use crate::telemetry::testing::resource;
}
