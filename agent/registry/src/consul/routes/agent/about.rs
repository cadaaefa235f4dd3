//! What the agent says of itself.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::consul::{
    error::{ApiError, chain},
    filter::{Filter, Select, Selected, map_entry, rest_of},
    http::{Answer, Head},
    server::Server,
};

/// Serf's number for a member that is alive.
const ALIVE: u8 = 1;

pub(super) fn this(server: &Server, head: &Head) -> Result<Answer, ApiError> {
    let settings = server.settings();
    let entry = server.registry().node(server.node());
    let meta = entry.as_ref().map(|entry| &entry.node.meta);
    let serf = |port| format!("tcp://{}", SocketAddr::new(settings.address, port));
    let primary = match settings.primary_datacenter.as_str() {
        "" => &settings.datacenter,
        given => given,
    };
    let answer = json!({
        "Config": {
            "Datacenter": settings.datacenter,
            "PrimaryDatacenter": primary,
            "NodeName": &**server.node(),
            "NodeID": settings.node_id,
            "Server": settings.is_server,
            "Revision": "",
            "Version": settings.version,
            "BuildDate": "1970-01-01T00:00:00Z",
        },
        "DebugConfig": {
            "SerfAdvertiseAddrLAN": serf(settings.serf_port),
            "SerfAdvertiseAddrWAN": serf(settings.serf_wan_port),
            "Datacenter": settings.datacenter,
            "NodeName": &**server.node(),
        },
        "Coord": null,
        "Member": member(server),
        "Stats": stats(server),
        "Meta": meta,
    });
    Answer::render(&answer, &head.options)
}

pub(super) fn version(server: &Server, head: &Head) -> Result<Answer, ApiError> {
    let version = &server.settings().version;
    let answer = json!({"SHA": "", "BuildDate": "1970-01-01T00:00:00Z", "HumanVersion": version, "FIPS": ""});
    Answer::render(&answer, &head.options)
}

pub(super) fn host(head: &Head) -> Result<Answer, ApiError> {
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
        });
    let answer = json!({
        "Memory": null,
        "CPU": null,
        "Host": {"hostname": hostname(), "os": std::env::consts::OS},
        "Disk": null,
        "CollectionTime": nanos,
        "Errors": null,
    });
    Answer::render(&answer, &head.options)
}

/// Numbers and words by area, all of them text as in Consul's answer.
fn stats(server: &Server) -> BTreeMap<&'static str, BTreeMap<&'static str, String>> {
    let status = server.registry().cluster_status();
    let cluster = status.map(|status| {
        BTreeMap::from([
            ("connected", status.connected.to_string()),
            ("freshness", status.freshness.as_str().to_owned()),
            (
                "last_contact_ms",
                status.last_contact.as_millis().to_string(),
            ),
            ("breaker", status.breaker.as_str().to_owned()),
            ("breaker_opened", status.breaker_opened.to_string()),
            ("name_taken", status.name_taken.to_string()),
            ("remote_instances", status.remote_instances.to_string()),
            ("remote_nodes", status.remote_nodes.to_string()),
            ("published", status.published.to_string()),
            ("leases", status.leases.to_string()),
            ("leases_lost", status.leases_lost.to_string()),
            ("resyncs", status.resyncs.to_string()),
            ("failures", status.failures.to_string()),
            ("refused", status.refused.to_string()),
            ("kept_here", status.kept_here.to_string()),
            ("too_large", status.too_large.to_string()),
            ("protected", status.protected.to_string()),
            ("last_error", status.last_error),
        ])
    });
    cluster
        .map(|cluster| ("cluster", cluster))
        .into_iter()
        .collect()
}

/// The few numbers of Consul's telemetry that mean the same here.
pub(super) fn metrics(server: &Server, head: &Head) -> Result<Answer, ApiError> {
    // As Consul, where nobody turned it on: a scraper could read nothing of what follows.
    if head.query().get("format") == Some("prometheus") {
        let text = "Prometheus is not enabled since its retention time is not positive";
        return Ok(Answer::text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let statistics = server.registry().statistics();
    let host = hostname();
    let gauge = |name: String, value: u64| json!({"Name": name, "Value": value, "Labels": {}});
    let mut gauges = vec![
        gauge("consul.state.services".to_owned(), statistics.services),
        gauge(
            "consul.state.service_instances".to_owned(),
            statistics.instances,
        ),
    ];
    if let Some(bytes) = resident_bytes() {
        gauges.push(gauge(format!("consul.{host}.runtime.alloc_bytes"), bytes));
    }
    let answer = json!({
        "Timestamp": "",
        "Gauges": gauges,
        "Points": [],
        "Counters": [],
        "Samples": [],
    });
    Answer::render(&answer, &head.options)
}

/// Bytes of memory in use; `None` where the kernel does not tell.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// A member of the gossip pool, of which there is one.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    name: String,
    addr: String,
    port: u16,
    tags: BTreeMap<String, String>,
    status: u8,
    protocol_min: u8,
    protocol_max: u8,
    protocol_cur: u8,
    delegate_min: u8,
    delegate_max: u8,
    delegate_cur: u8,
}

fn member(server: &Server) -> Member {
    let settings = server.settings();
    let tags = [
        ("role", "consul"),
        ("dc", &settings.datacenter),
        ("id", &settings.node_id),
        ("build", &settings.version),
        ("acls", "0"),
        ("bootstrap", "1"),
    ];
    Member {
        name: server.node().to_string(),
        addr: settings.address.to_string(),
        port: settings.serf_port,
        tags: tags
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        status: ALIVE,
        protocol_min: 1,
        protocol_max: 5,
        protocol_cur: 2,
        delegate_min: 2,
        delegate_max: 5,
        delegate_cur: 4,
    }
}

impl<'a> Select<'a> for &'a Member {
    fn select(&self, path: &[&str]) -> Selected<'a> {
        match path {
            ["Name", rest @ ..] => rest_of(rest, Selected::Text(&self.name)),
            ["Addr", rest @ ..] => rest_of(rest, Selected::Text(&self.addr)),
            ["Port", rest @ ..] => rest_of(rest, Selected::Int(self.port.into())),
            ["Status", rest @ ..] => rest_of(rest, Selected::Int(self.status.into())),
            ["Tags", rest @ ..] => map_entry(&self.tags, rest),
            _ => Selected::Unknown,
        }
    }
}

pub(super) fn members(server: &Server, head: &Head) -> Result<Answer, ApiError> {
    let mut members = vec![member(server)];
    let filter = Filter::given(head.options.filter.as_deref(), &&member(server))?;
    members.retain(|member| filter.accepts(&member));
    Answer::render(&members, &head.options)
}

/// Consul streams its log here; ours is where the service manager keeps it, and this says so.
pub(super) fn monitor(head: &Head) -> Result<Answer, ApiError> {
    const MESSAGE: &str = "agent: golens writes its messages to stderr";
    if head.query().has("logjson") {
        let line = json!({"@level": "info", "@message": MESSAGE, "@module": "agent"});
        return Ok(Answer::json(format!("{line}\n")));
    }
    Ok(Answer::text(StatusCode::OK, format!("[INFO]  {MESSAGE}\n")))
}

pub(super) async fn reload(server: &Server) -> Result<Answer, ApiError> {
    if let Some(reload) = &server.settings().reload {
        reload()
            .await
            .map_err(|error| ApiError::bad_request(chain(&error)))?;
    }
    Ok(Answer::done())
}
