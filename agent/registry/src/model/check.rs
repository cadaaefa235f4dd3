//! Checks: how they find out, what they said last.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Name, Status};
use crate::Revision;

/// Beginning of the id of the check that puts one instance into maintenance.
const INSTANCE_MAINTENANCE: &str = "_service_maintenance:";

/// Beginning of the id of the check that an instance has whose process is gone.
const PROCESS: &str = "_golens_process:";

/// Id of the check that puts a whole node into maintenance.
const NODE_MAINTENANCE: &str = "_node_maintenance";

/// One check of one node; ids are unique per namespace and node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckKey {
    /// Namespace of the instance; [`DEFAULT_NAMESPACE`](super::DEFAULT_NAMESPACE) for a check of the node.
    pub namespace: Name,
    /// Node that owns the check.
    pub node: Name,
    /// Id of the check.
    pub id: Name,
}

/// How a check finds out. Programs are never started: there is no script check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Probe {
    /// The instance reports; it is critical when nothing was heard for `ttl`.
    Ttl {
        /// Longest silence.
        ttl: Duration,
    },
    /// An HTTP request: 2xx passes, 429 warns, all else is critical.
    Http(Box<HttpProbe>),
    /// A TCP connection.
    Tcp {
        /// `host:port`.
        address: String,
        /// Whether TLS is spoken, and how it is verified.
        tls: Tls,
        /// How often, how long.
        schedule: Schedule,
    },
    /// A datagram that must not be refused.
    Udp {
        /// `host:port`.
        address: String,
        /// How often, how long.
        schedule: Schedule,
    },
    /// `grpc.health.v1.Health/Check`.
    Grpc {
        /// `host:port[/service]`.
        target: String,
        /// Whether TLS is spoken, and how it is verified.
        tls: Tls,
        /// How often, how long.
        schedule: Schedule,
    },
    /// An HTTP/2 ping.
    H2Ping {
        /// `host:port`.
        address: String,
        /// Whether TLS is spoken, and how it is verified.
        tls: Tls,
        /// How often, how long.
        schedule: Schedule,
    },
    /// As well as another instance, or as another node when `service` is empty.
    Alias {
        /// Node that is looked at; the check's own when empty.
        node: String,
        /// Id of the instance that is looked at.
        service: String,
    },
    /// Somebody else finds out and tells (catalogue registrations, maintenance, `serfHealth`).
    External,
}

impl Probe {
    /// When it runs, for those that the node carries out by itself.
    pub fn schedule(&self) -> Option<&Schedule> {
        match self {
            Self::Http(probe) => Some(&probe.schedule),
            Self::Tcp { schedule, .. }
            | Self::Udp { schedule, .. }
            | Self::Grpc { schedule, .. }
            | Self::H2Ping { schedule, .. } => Some(schedule),
            Self::Ttl { .. } | Self::Alias { .. } | Self::External => None,
        }
    }
}

/// An HTTP check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpProbe {
    /// Where the request goes.
    pub url: String,
    /// `GET` when empty.
    pub method: String,
    /// Header fields with all their values.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Body of the request.
    pub body: String,
    /// How TLS is verified; whether it is spoken is said by the URL.
    pub tls: Tls,
    /// How often, how long.
    pub schedule: Schedule,
}

/// TLS of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Whether TLS is spoken at all.
    pub enabled: bool,
    /// Whether any certificate will do.
    pub skip_verify: bool,
    /// Name that the certificate must have, when not that of the address.
    pub server_name: String,
}

/// When a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Time from one run to the next.
    pub interval: Duration,
    /// Longest run; 10 s when the registration said nothing.
    pub timeout: Option<Duration>,
}

/// How many equal results in a row change the status. 0 and 1: the first one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Successes before passing.
    pub passing: u32,
    /// Failures before warning.
    pub warning: u32,
    /// Failures before critical.
    pub critical: u32,
}

/// What a registration says about a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckSpec {
    /// Id; see [`CheckKey`].
    pub id: Name,
    /// Name for people.
    pub name: String,
    /// Notes for people.
    pub notes: String,
    /// How it finds out.
    pub probe: Probe,
    /// Damping of changes.
    pub thresholds: Thresholds,
    /// Removes the instance when the check is critical for this long without a break.
    pub deregister_after: Option<Duration>,
}

/// A check and what it said last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was registered.
    pub spec: Arc<CheckSpec>,
    /// What it said last.
    pub status: Status,
    /// In its own words. Newer words with the same status bump no index and are not written at once.
    pub output: String,
    /// Revision of the registration.
    pub create_revision: Revision,
    /// Revision of the last change of spec or status.
    pub modify_revision: Revision,
}

impl CheckSpec {
    /// A check that is told its status, with the given id and name.
    pub fn external(id: impl Into<Name>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            notes: String::new(),
            probe: Probe::External,
            thresholds: Thresholds::default(),
            deregister_after: None,
        }
    }

    /// The check that puts instance `id` into maintenance.
    pub(crate) fn instance_maintenance(id: &str, reason: &str) -> Self {
        Self {
            notes: reason.to_owned(),
            ..Self::external(
                format!("{INSTANCE_MAINTENANCE}{id}"),
                "Service Maintenance Mode",
            )
        }
    }

    /// The check of an instance whose process is gone.
    pub(crate) fn process(id: &str) -> Self {
        Self::external(format!("{PROCESS}{id}"), "Process")
    }

    /// Whether this is the check of an instance whose process is gone.
    pub(crate) fn is_process(&self) -> bool {
        self.id.starts_with(PROCESS)
    }

    /// The check that puts a node into maintenance.
    pub(crate) fn node_maintenance(reason: &str) -> Self {
        Self {
            notes: reason.to_owned(),
            ..Self::external(NODE_MAINTENANCE, "Node Maintenance Mode")
        }
    }

    /// The TTL, for checks that have one.
    pub fn ttl(&self) -> Option<Duration> {
        match self.probe {
            Probe::Ttl { ttl } => Some(ttl),
            _ => None,
        }
    }

    /// Whether this is a check of maintenance mode.
    pub fn is_maintenance(&self) -> bool {
        &*self.id == NODE_MAINTENANCE || self.id.starts_with(INSTANCE_MAINTENANCE)
    }
}

impl Check {
    /// Whether this is a check of maintenance mode.
    pub fn is_maintenance(&self) -> bool {
        self.spec.is_maintenance()
    }
}
