//! Listening sockets of Go processes become instances, without anybody registering them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use registry::{
    Caller, Registry, RegistryError,
    model::{InstanceKey, Name, NamedPort, Registration, Source, check_name},
};
use serde::Serialize;
use tokio::sync::watch;

use super::{
    Targets,
    ports::PortUse,
    sockets::{Reach, Socket, Sockets},
    status::Status,
};
use crate::{config::ServiceDiscovery, discovery::matches, identity::Resource};

/// Between two looks at sockets. The end of a process is told at once.
const LOOK: Duration = Duration::from_secs(1);

/// What became of a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is an instance.
    Published,
    /// A registration has the same address and port, and wins.
    Merged,
    /// It is a named port of the process's other instances.
    Named,
    /// It is nothing, for a reason.
    LeftOut,
}

/// A listening socket of a Go process.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The process.
    pub pid: u32,
    /// Its service.
    pub service: String,
    /// Namespace of the service.
    pub namespace: String,
    /// Where it listens.
    pub address: std::net::SocketAddr,
    /// What became of it.
    pub outcome: Outcome,
    /// Id of the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Why it is no instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Publishes what listens, until `stop`.
pub(super) struct Discovered {
    pub(super) registry: Registry,
    pub(super) settings: ServiceDiscovery,
    pub(super) targets: Arc<Targets>,
    pub(super) ports: Arc<PortUse>,
    pub(super) status: Arc<Status>,
    /// Told when what ran before golens is published.
    pub(super) complete: watch::Sender<bool>,
}

type Published = BTreeMap<InstanceKey, (u32, Registration)>;

impl Discovered {
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let caller = Caller::internal();
        let mut changes = self.targets.changes.clone();
        let (mut sockets, mut published) = (Sockets::default(), Published::new());
        loop {
            // Before looking, so that a change during the look is not missed.
            changes.mark_unchanged();
            let is_settled = (self.targets.settled)();
            let subjects = (self.targets.list)();
            let alive: BTreeSet<u32> = subjects.iter().map(|subject| subject.id.pid).collect();
            let look = tokio::task::spawn_blocking(move || {
                let seen = sockets.look(subjects);
                (sockets, seen)
            });
            let Ok((kept, seen)) = look.await else {
                tracing::error!(
                    "a look at listening sockets panicked: services are not found any more"
                );
                return;
            };
            sockets = kept;
            if *stop.borrow() {
                return;
            }
            self.ports.keep(|pid| alive.contains(&pid));
            let (wanted, mut found) = self.wanted(&seen);
            self.follow(&mut published, wanted, &alive, &caller).await;
            self.complete.send_if_modified(|complete| {
                let is_news = is_settled && !*complete;
                *complete |= is_settled;
                is_news
            });
            self.note_merged(&mut found);
            self.status.found(found);
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Adds what is new, then takes away what is gone: a service that hands its socket to a new process is
    /// never without.
    async fn follow(
        &self,
        published: &mut Published,
        wanted: Published,
        alive: &BTreeSet<u32>,
        caller: &Caller,
    ) {
        let gone = published
            .iter()
            .filter(|(key, _)| !wanted.contains_key(key));
        let gone: Vec<_> = gone.map(|(key, (pid, _))| (key.clone(), *pid)).collect();
        for (key, (pid, registration)) in wanted {
            let is_known = published
                .get(&key)
                .is_some_and(|(_, old)| *old == registration);
            // A restored snapshot knows nothing of what was discovered.
            let is_there = self.registry.holds(&key);
            if !is_known || !is_there {
                self.add(published, key, pid, registration, caller).await;
            }
        }
        for (key, pid) in gone {
            let reason = match alive.contains(&pid) {
                true => format!("process {pid} does not listen there any more"),
                false => format!("process {pid} has ended"),
            };
            self.take_away(published, key, reason, caller).await;
        }
    }

    async fn add(
        &self,
        published: &mut Published,
        key: InstanceKey,
        pid: u32,
        registration: Registration,
        caller: &Caller,
    ) {
        match self.registry.register(registration.clone(), caller).await {
            Ok(_) => {
                if !published.contains_key(&key) {
                    tracing::info!(instance = %key.id, pid, "a service was discovered");
                    let reason = format!("process {pid} listens");
                    self.status
                        .event("instance_found", key.id.to_string(), reason);
                }
                published.insert(key, (pid, registration));
            }
            Err(error) => tracing::warn!(%error, instance = %key.id, "cannot add an instance"),
        }
    }

    async fn take_away(
        &self,
        published: &mut Published,
        key: InstanceKey,
        reason: String,
        caller: &Caller,
    ) {
        let told = self.registry.process_gone(&key, reason.clone(), caller);
        match told.await {
            Ok(_) | Err(RegistryError::UnknownInstance(_)) => {
                tracing::info!(instance = %key.id, reason, "a discovered instance is gone");
                self.status
                    .event("instance_gone", key.id.to_string(), reason);
                published.remove(&key);
            }
            Err(error) => tracing::warn!(%error, instance = %key.id, "cannot remove an instance"),
        }
    }

    /// Instances that there should be, and what there is to say of each socket.
    fn wanted(&self, seen: &[Socket]) -> (Published, Vec<Found>) {
        let mut wanted = Published::new();
        let mut found = Vec::with_capacity(seen.len());
        let by_process = seen.chunk_by(|one, other| one.id == other.id);
        for sockets in by_process {
            let names = self.names(sockets);
            let ports: Vec<NamedPort> = sockets
                .iter()
                .zip(&names)
                .filter_map(|(socket, name)| match name {
                    Verdict::Named(name, _) => Some(NamedPort {
                        name: (*name).to_owned(),
                        port: socket.address.port(),
                        default: false,
                    }),
                    _ => None,
                })
                .collect();
            for (socket, verdict) in sockets.iter().zip(&names) {
                let mut report = self.found(socket);
                match verdict {
                    Verdict::Service => {
                        let registration = self.registration(socket, &ports);
                        report.instance = Some(registration.key.id.to_string());
                        let key = registration.key.clone();
                        wanted.insert(key, (socket.id.pid, registration));
                    }
                    Verdict::Named(name, reason) => {
                        report.outcome = Outcome::Named;
                        report.reason = Some(format!("{name}: {reason}"));
                    }
                    Verdict::LeftOut(reason) => {
                        report.outcome = Outcome::LeftOut;
                        report.reason = Some(reason.clone());
                    }
                }
                found.push(report);
            }
        }
        (wanted, found)
    }

    /// What each socket of one process is.
    fn names(&self, sockets: &[Socket]) -> Vec<Verdict> {
        let is_open = |socket: &&Socket| socket.reach != Reach::Node;
        let has_open = sockets.iter().any(|socket| is_open(&socket));
        let verdict = |socket: &Socket| {
            if let Some(reason) = self.refusal(socket) {
                return Verdict::LeftOut(reason);
            }
            let port = socket.address.port();
            if let Some(name) = self.ports.only(socket.id.pid, port) {
                return Verdict::Named(name, "all requests to it were for that");
            }
            match socket.reach {
                Reach::Node if has_open => Verdict::Named(
                    "local",
                    "only this machine reaches it, while others reach another port",
                ),
                _ => Verdict::Service,
            }
        };
        let mut verdicts: Vec<Verdict> = sockets.iter().map(verdict).collect();
        // Scrapes come before the first request: where nothing else is left, it is the service's own port.
        if !verdicts
            .iter()
            .any(|verdict| matches!(verdict, Verdict::Service))
        {
            for verdict in &mut verdicts {
                if matches!(verdict, Verdict::Named("metrics" | "admin", _)) {
                    *verdict = Verdict::Service;
                }
            }
        }
        verdicts
    }

    /// Why a socket is no instance of anything.
    fn refusal(&self, socket: &Socket) -> Option<String> {
        let resource = &socket.resource;
        if attribute(resource, "golens.registry").is_some_and(|value| value == "off") {
            return Some("the process sets golens.registry=off".to_owned());
        }
        let excluded = &self.settings.exclude_services;
        if excluded
            .iter()
            .any(|pattern| matches(pattern, &resource.service_name))
        {
            return Some("registry.discovery.exclude_services names its service".to_owned());
        }
        if socket.reach == Reach::Nobody {
            return Some("nobody outside of its network namespace reaches it".to_owned());
        }
        let names = [
            check_name("the service", &resource.service_name),
            check_name("the namespace", &self.namespace(resource)),
        ];
        names
            .into_iter()
            .find_map(Result::err)
            .map(|error| error.to_string())
    }

    fn namespace(&self, resource: &Resource) -> String {
        let stated = attribute(resource, "golens.namespace");
        stated.unwrap_or(&self.settings.namespace).to_owned()
    }

    fn found(&self, socket: &Socket) -> Found {
        Found {
            pid: socket.id.pid,
            service: socket.resource.service_name.clone(),
            namespace: self.namespace(&socket.resource),
            address: socket.address,
            outcome: Outcome::Published,
            instance: None,
            reason: None,
        }
    }

    fn registration(&self, socket: &Socket, ports: &[NamedPort]) -> Registration {
        let (resource, pid) = (&socket.resource, socket.id.pid);
        let port = socket.address.port();
        let place = match socket.address.ip().is_unspecified() {
            true => port.to_string(),
            false => socket.address.to_string(),
        };
        let key = InstanceKey {
            namespace: self.namespace(resource).into(),
            node: Name::clone(self.registry.node_name()),
            id: format!("{}:{pid}:{place}", resource.service_name).into(),
        };
        let tags = attribute(resource, "golens.tags").unwrap_or_default();
        let mut meta = BTreeMap::from([("golens-pid".to_owned(), pid.to_string())]);
        if let Some(version) = &resource.service_version {
            meta.insert("version".to_owned(), version.clone());
        }
        let mut named = ports.to_vec();
        if !named.is_empty() {
            let name = "default".to_owned();
            named.insert(
                0,
                NamedPort {
                    name,
                    port,
                    default: true,
                },
            );
        }
        Registration {
            address: match socket.reach {
                Reach::NodeAddress => String::new(),
                _ => socket.published.to_string(),
            },
            port,
            ports: named,
            tags: tags.split_whitespace().map(str::to_owned).collect(),
            meta,
            source: Source::Discovered,
            ..Registration::new(key, resource.service_name.as_str())
        }
    }

    /// Tells instances that a registration hides from those that readers see.
    fn note_merged(&self, found: &mut [Found]) {
        for report in found {
            let Some(id) = &report.instance else { continue };
            let key = InstanceKey {
                namespace: report.namespace.as_str().into(),
                node: Name::clone(self.registry.node_name()),
                id: id.as_str().into(),
            };
            if self.registry.instance(&key).is_none() {
                report.outcome = Outcome::Merged;
                report.reason = Some("a registration has this address and port".to_owned());
            }
        }
    }
}

enum Verdict {
    Service,
    Named(&'static str, &'static str),
    LeftOut(String),
}

/// What the process states in `OTEL_RESOURCE_ATTRIBUTES`.
fn attribute<'a>(resource: &'a Resource, name: &str) -> Option<&'a str> {
    let (_, value) = resource.extra.iter().find(|(known, _)| known == name)?;
    Some(value)
}
