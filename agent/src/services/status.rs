//! What there is to say of the registry: for the API, metrics and whoever wonders why it does not answer.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use registry::{Fallback, Registry, Tagged, model::ServiceKey};
use serde::Serialize;

use super::{cluster::ClusterReport, discovered::Found};
use crate::clock::UnixNanos;

/// Events that are kept.
const EVENTS: usize = 256;

/// Shared by all parts of the registry's half.
#[derive(Debug, Default)]
pub struct Status {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    reason: Option<String>,
    registry: Option<Registry>,
    /// Members of etcd; none for a registry that is alone.
    endpoints: Vec<String>,
    not_joined: Option<String>,
    listeners: BTreeMap<usize, ListenerReport>,
    found: Vec<Found>,
    events: VecDeque<Event>,
    counts: BTreeMap<&'static str, u64>,
}

/// How the registry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is not wanted.
    #[default]
    Off,
    /// Its state cannot be opened yet; it is tried again.
    Waiting,
    /// Its state is open. Listeners say for themselves whether they are.
    Serving,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListenerReport {
    /// `http`, `grpc` or `dns`.
    pub protocol: &'static str,
    /// With the port that was really taken, once it is.
    pub address: String,
    /// Whether callers are answered there.
    pub listening: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Something that happened, worth telling a person.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// Word from a fixed set.
    pub kind: &'static str,
    /// What it is about.
    pub subject: String,
    /// Why it happened.
    pub reason: String,
}

/// Everything, for `/api/v1/registry`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How the registry is.
    pub state: State,
    /// Why it does not serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Name of this node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its addresses.
    pub listeners: Vec<ListenerReport>,
    /// Numbers of what it holds.
    pub instances: u64,
    /// Services with instances.
    pub services: u64,
    /// Checks.
    pub checks: u64,
    /// Revision of the newest change.
    pub revision: u64,
    /// Its cluster; none when it is alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterReport>,
    /// Listening sockets of Go processes, and what became of each.
    pub discovered: Vec<Found>,
    /// The newest last.
    pub events: Vec<Event>,
}

impl Status {
    pub(super) fn new(state: State, endpoints: Vec<String>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                state,
                endpoints,
                ..Inner::default()
            }),
        }
    }

    /// Notes why the state cannot be opened. Returns whether that is news.
    pub(super) fn waiting(&self, reason: String) -> bool {
        let mut inner = self.inner();
        let news = inner.reason.as_ref() != Some(&reason);
        inner.state = State::Waiting;
        inner.reason = Some(reason);
        news
    }

    pub(super) fn serving(&self, registry: Registry) {
        let mut inner = self.inner();
        inner.state = State::Serving;
        inner.reason = None;
        inner.registry = Some(registry);
    }

    /// Notes why the cluster is not joined. Returns whether that is news.
    pub(super) fn not_joined(&self, reason: String) -> bool {
        let mut inner = self.inner();
        let news = inner.not_joined.as_ref() != Some(&reason);
        inner.not_joined = Some(reason);
        news
    }

    /// Notes how a listener is. Returns whether that is news.
    pub(super) fn listener(&self, number: usize, report: ListenerReport) -> bool {
        let old = self.inner().listeners.insert(number, report.clone());
        old.as_ref() != Some(&report)
    }

    pub(super) fn found(&self, found: Vec<Found>) {
        self.inner().found = found;
    }

    /// Keeps what the registry says of tags that nobody well has.
    pub(super) fn fallbacks(&self, told: Vec<Fallback>) {
        for fallback in told {
            let kind = match fallback.tagged {
                Tagged::Back => "tag_back",
                _ => "tag_fallback",
            };
            let ServiceKey { namespace, service } = &fallback.service;
            let subject = format!("{namespace}/{service} {}", fallback.tags.join(" "));
            self.event(kind, subject, fallback.tagged.as_str().to_owned());
        }
    }

    /// Keeps an event, and counts it.
    pub(super) fn event(&self, kind: &'static str, subject: String, reason: String) {
        let mut inner = self.inner();
        *inner.counts.entry(kind).or_default() += 1;
        if inner.events.len() == EVENTS {
            inner.events.pop_front();
        }
        inner.events.push_back(Event {
            time_unix_ns: UnixNanos::now().0,
            kind,
            subject,
            reason,
        });
    }

    /// The registry, once its state is open.
    #[must_use]
    pub fn registry(&self) -> Option<Registry> {
        self.inner().registry.clone()
    }

    /// Events since the start, by kind.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.inner().counts.clone()
    }

    /// Listeners that answer, and those that do not.
    pub(super) fn listeners(&self) -> (usize, usize) {
        let inner = self.inner();
        let all = inner.listeners.len();
        let answering = inner.listeners.values().filter(|report| report.listening);
        let answering = answering.count();
        (answering, all - answering)
    }

    /// Everything.
    #[must_use]
    pub fn report(&self) -> Report {
        let inner = self.inner();
        let registry = inner.registry.as_ref();
        let numbers = registry.map(Registry::statistics).unwrap_or_default();
        let cluster = (!inner.endpoints.is_empty()).then(|| {
            let status = registry.and_then(Registry::cluster_status);
            ClusterReport::new(inner.endpoints.clone(), status, inner.not_joined.as_deref())
        });
        Report {
            state: inner.state,
            reason: inner.reason.clone(),
            node: registry.map(|registry| registry.node_name().to_string()),
            listeners: inner.listeners.values().cloned().collect(),
            instances: numbers.instances,
            services: numbers.services,
            checks: numbers.checks,
            revision: registry.map_or(0, |registry| registry.revision().0),
            cluster,
            discovered: inner.found.clone(),
            events: inner.events.iter().cloned().collect(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
