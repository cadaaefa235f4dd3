//! A check as the API shows it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::{
    consul::{
        duration::GoDuration,
        filter::{Select, Selected, rest_of},
        types::is_default,
    },
    model::{Check, Instance, Name, NodeEntry, Probe, Schedule, Tls},
};

/// One check of an instance, or of a node when there is no instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckRow<'a> {
    /// Name of the node.
    pub(crate) node: &'a Name,
    /// The instance it belongs to.
    pub(crate) instance: Option<&'a Instance>,
    /// The check.
    pub(crate) check: &'a Check,
    /// What it said last, which may be newer than what `check` says.
    pub(crate) output: &'a str,
    /// Whether a node's check has the tags `null` instead of none: so transactions show it, and nobody else.
    pub(crate) is_raw: bool,
}

impl<'a> CheckRow<'a> {
    /// Rows of the checks of a node itself.
    pub(crate) fn of_node(entry: &'a NodeEntry) -> impl Iterator<Item = Self> {
        entry.checks.iter().map(|check| Self {
            node: &entry.node.name,
            instance: None,
            check,
            output: &check.output,
            is_raw: false,
        })
    }

    /// Rows of an instance's own checks.
    pub(crate) fn of_instance(instance: &'a Instance) -> impl Iterator<Item = Self> {
        instance.checks.iter().map(|check| Self {
            node: &instance.key.node,
            instance: Some(instance),
            check,
            output: &check.output,
            is_raw: false,
        })
    }

    fn service_id(&self) -> &'a str {
        self.instance.map_or("", |instance| &instance.key.id)
    }

    fn service_name(&self) -> &'a str {
        self.instance.map_or("", |instance| &instance.service)
    }

    fn tags(&self) -> &'a [String] {
        self.instance.map_or(&[], |instance| &instance.tags)
    }

    /// `ttl`, `http` and so on; empty for a check that somebody else carries out.
    #[must_use]
    pub(crate) fn kind(&self) -> &'static str {
        match self.check.spec.probe {
            Probe::Ttl { .. } => "ttl",
            Probe::Http(_) => "http",
            Probe::Tcp { .. } => "tcp",
            Probe::Udp { .. } => "udp",
            Probe::Grpc { .. } => "grpc",
            Probe::H2Ping { .. } => "h2ping",
            Probe::Alias { .. } => "alias",
            Probe::External if self.check.is_maintenance() => "maintenance",
            _ => "",
        }
    }
}

impl Serialize for CheckRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let spec = &self.check.spec;
        let schedule = schedule(&spec.probe);
        Json {
            node: self.node,
            check_id: &spec.id,
            name: &spec.name,
            status: self.check.status.as_str(),
            notes: &spec.notes,
            output: self.output,
            service_id: self.service_id(),
            service_name: self.service_name(),
            service_tags: (self.instance.is_some() || !self.is_raw).then(|| self.tags()),
            kind: self.kind(),
            interval: schedule.map_or_else(String::new, |schedule| {
                GoDuration::from(schedule.interval).to_string()
            }),
            timeout: schedule
                .and_then(|schedule| schedule.timeout)
                .map_or_else(String::new, |timeout| GoDuration::from(timeout).to_string()),
            exposed_port: 0,
            definition: Definition::new(self.check),
            create_index: self.check.create_revision.0,
            modify_index: self.check.modify_revision.0,
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Json<'a> {
    node: &'a str,
    #[serde(rename = "CheckID")]
    check_id: &'a str,
    name: &'a str,
    status: &'static str,
    notes: &'a str,
    output: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: Option<&'a [String]>,
    #[serde(rename = "Type")]
    kind: &'static str,
    interval: String,
    timeout: String,
    exposed_port: u16,
    definition: Definition<'a>,
    create_index: u64,
    modify_index: u64,
}

/// What the check was registered with; what does not apply is left out.
#[derive(Default, Serialize)]
#[serde(default, rename_all = "PascalCase")]
struct Definition<'a> {
    #[serde(rename = "HTTP", skip_serializing_if = "str::is_empty")]
    http: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'a BTreeMap<String, Vec<String>>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    body: &'a str,
    #[serde(rename = "TLSServerName", skip_serializing_if = "str::is_empty")]
    tls_server_name: &'a str,
    #[serde(rename = "TLSSkipVerify", skip_serializing_if = "is_default")]
    tls_skip_verify: bool,
    #[serde(rename = "TCP", skip_serializing_if = "str::is_empty")]
    tcp: &'a str,
    #[serde(rename = "TCPUseTLS", skip_serializing_if = "is_default")]
    tcp_use_tls: bool,
    #[serde(rename = "UDP", skip_serializing_if = "str::is_empty")]
    udp: &'a str,
    #[serde(rename = "GRPC", skip_serializing_if = "str::is_empty")]
    grpc: &'a str,
    #[serde(rename = "GRPCUseTLS", skip_serializing_if = "is_default")]
    grpc_use_tls: bool,
    #[serde(rename = "H2PING", skip_serializing_if = "str::is_empty")]
    h2_ping: &'a str,
    #[serde(rename = "H2PingUseTLS", skip_serializing_if = "is_default")]
    h2_ping_use_tls: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    alias_node: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    alias_service: &'a str,
    #[serde(skip_serializing_if = "GoDuration::is_zero")]
    interval: GoDuration,
    #[serde(skip_serializing_if = "GoDuration::is_zero")]
    timeout: GoDuration,
    #[serde(rename = "TTL", skip_serializing_if = "GoDuration::is_zero")]
    ttl: GoDuration,
    #[serde(skip_serializing_if = "GoDuration::is_zero")]
    deregister_critical_service_after: GoDuration,
}

impl<'a> Definition<'a> {
    fn new(check: &'a Check) -> Self {
        let mut definition = Self {
            deregister_critical_service_after: check
                .spec
                .deregister_after
                .map_or(GoDuration::ZERO, GoDuration::from),
            ..Self::default()
        };
        if let Some(schedule) = schedule(&check.spec.probe) {
            definition.interval = schedule.interval.into();
            definition.timeout = schedule.timeout.map_or(GoDuration::ZERO, GoDuration::from);
        }
        definition.fill(&check.spec.probe);
        definition
    }

    fn fill(&mut self, probe: &'a Probe) {
        match probe {
            Probe::Ttl { ttl } => self.ttl = (*ttl).into(),
            Probe::Http(http) => {
                self.http = &http.url;
                self.method = &http.method;
                self.header = Some(&http.headers).filter(|headers| !headers.is_empty());
                self.body = &http.body;
                self.fill_tls(&http.tls);
            }
            Probe::Tcp { address, tls, .. } => {
                self.tcp = address;
                self.tcp_use_tls = tls.enabled;
                self.fill_tls(tls);
            }
            Probe::Udp { address, .. } => self.udp = address,
            Probe::Grpc { target, tls, .. } => {
                self.grpc = target;
                self.grpc_use_tls = tls.enabled;
                self.fill_tls(tls);
            }
            Probe::H2Ping { address, tls, .. } => {
                self.h2_ping = address;
                self.h2_ping_use_tls = tls.enabled;
                self.fill_tls(tls);
            }
            Probe::Alias { node, service } => {
                self.alias_node = node;
                self.alias_service = service;
            }
            Probe::External => {}
        }
    }

    fn fill_tls(&mut self, tls: &'a Tls) {
        self.tls_server_name = &tls.server_name;
        self.tls_skip_verify = tls.skip_verify;
    }
}

/// When the node carries the check out, if it does.
fn schedule(probe: &Probe) -> Option<Schedule> {
    match probe {
        Probe::Http(http) => Some(http.schedule),
        Probe::Tcp { schedule, .. }
        | Probe::Udp { schedule, .. }
        | Probe::Grpc { schedule, .. }
        | Probe::H2Ping { schedule, .. } => Some(*schedule),
        _ => None,
    }
}

impl<'a> Select<'a> for CheckRow<'a> {
    fn select(&self, path: &[&str]) -> Selected<'a> {
        let [field, rest @ ..] = path else {
            return Selected::Unknown;
        };
        let spec = &self.check.spec;
        let found = match *field {
            "Node" => Selected::Text(self.node),
            "CheckID" => Selected::Text(&spec.id),
            "Name" => Selected::Text(&spec.name),
            "Status" => Selected::Text(self.check.status.as_str()),
            "Notes" => Selected::Text(&spec.notes),
            "Output" => Selected::Text(self.output),
            "ServiceID" => Selected::Text(self.service_id()),
            "ServiceName" => Selected::Text(self.service_name()),
            "ServiceTags" => Selected::Texts(self.tags()),
            "Type" => Selected::Text(self.kind()),
            "ExposedPort" => Selected::Int(0),
            _ => Selected::Unknown,
        };
        rest_of(rest, found)
    }
}
