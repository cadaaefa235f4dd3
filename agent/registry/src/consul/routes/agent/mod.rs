//! `/v1/agent`: what runs on this node.

mod about;
mod checks;
mod health;
mod services;

use std::{collections::BTreeMap, sync::Arc};

use super::elsewhere;
use crate::{
    consul::{
        error::ApiError,
        http::{Answer, Call, Head},
        query::Query,
        server::Server,
        settings::{OWN_SERVICE, SERF_CHECK},
        types::check::CheckRow,
    },
    model::{Instance, Name, NodeEntry},
};

pub(super) async fn read(server: &Server, head: &Head, rest: &str) -> Result<Answer, ApiError> {
    match super::split(rest) {
        ("self", "") => about::this(server, head),
        ("version", "") => about::version(server, head),
        ("host", "") => about::host(head),
        ("metrics", "") => about::metrics(server, head),
        ("members", "") => about::members(server, head),
        ("monitor", "") => about::monitor(head),
        ("services", "") => services::list(server, head),
        ("service", "") => Err(ApiError::bad_request("Missing service ID")),
        ("service", id) => services::one(server, head, id).await,
        ("checks", "") => checks::list(server, head),
        ("health", rest) => match rest.strip_prefix("service/").map(super::split) {
            Some(("id", id)) if !id.is_empty() => health::by_id(server, head, id),
            Some(("name", name)) if !name.is_empty() => health::by_name(server, head, name),
            _ => Ok(elsewhere(head)),
        },
        _ => Ok(elsewhere(head)),
    }
}

pub(super) async fn write(server: &Server, call: Call, rest: &str) -> Result<Answer, ApiError> {
    let (first, second) = super::split(rest);
    match (first, super::split(second)) {
        ("service", ("register", "")) => services::register(server, call).await,
        ("service", ("deregister", id)) if !id.is_empty() => {
            services::deregister(server, call, id).await
        }
        ("service", ("maintenance", id)) if !id.is_empty() => {
            services::maintain(server, call, id).await
        }
        ("service", ("deregister" | "maintenance", _)) => {
            Err(ApiError::bad_request("Missing service ID"))
        }
        ("maintenance", ("", "")) => services::maintain_node(server, call).await,
        ("check", ("register", "")) => checks::register(server, call).await,
        ("check", (_, "")) => Err(ApiError::bad_request("Missing check ID")),
        ("check", ("deregister", id)) => checks::deregister(server, call, id).await,
        ("check", (verb @ ("pass" | "warn" | "fail"), id)) => {
            checks::report(server, call, verb, id).await
        }
        ("check", ("update", id)) => checks::update(server, call, id).await,
        ("reload", ("", "")) => about::reload(server).await,
        // One node has nobody to join or to leave; its tokens are not set by Consul's clients.
        ("join" | "force-leave" | "token" | "leave", _) => Ok(Answer::done()),
        _ => Ok(elsewhere(&call.head)),
    }
}

/// What is registered on this node, with the newest words of its checks.
struct Local {
    node: Option<Arc<NodeEntry>>,
    /// Without the service that stands for Consul itself.
    instances: Vec<Arc<Instance>>,
    /// By id of the check.
    outputs: BTreeMap<Name, String>,
}

impl Local {
    fn new(server: &Server, head: &Head) -> Self {
        let registry = server.registry();
        let mut local = Self {
            node: registry.node(server.node()),
            instances: registry.instances_on(server.node(), &head.namespace()),
            outputs: BTreeMap::new(),
        };
        local
            .instances
            .retain(|instance| *instance.key.id != *OWN_SERVICE);
        let checks = local.instances.iter().flat_map(|instance| {
            let keys = instance
                .checks
                .iter()
                .map(|check| instance.check_key(&check.spec.id));
            keys.filter_map(|key| Some((Name::clone(&key.id), registry.output(&key)?)))
        });
        local.outputs = checks.collect();
        local
    }

    /// Checks of the node that were registered: without the one that says it is alive.
    fn node_checks(&self) -> impl Iterator<Item = CheckRow<'_>> {
        let rows = self.node.iter().flat_map(|entry| CheckRow::of_node(entry));
        rows.filter(|row| *row.check.spec.id != *SERF_CHECK)
    }

    /// Checks of one instance.
    fn checks_of<'a>(&'a self, instance: &'a Instance) -> impl Iterator<Item = CheckRow<'a>> {
        CheckRow::of_instance(instance).map(|row| CheckRow {
            output: self
                .outputs
                .get(&row.check.spec.id)
                .map_or(row.output, String::as_str),
            ..row
        })
    }
}

/// The reason to put something into maintenance; `None` to take it out.
fn maintenance(query: &Query<'_>) -> Result<Option<String>, ApiError> {
    match query.get("enable") {
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => {
            Ok(Some(query.get("reason").unwrap_or(NO_REASON).to_owned()))
        }
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(None),
        None => Err(ApiError::bad_request("Missing value for enable")),
        Some(other) => Err(ApiError::bad_request(format!(
            "Invalid value for enable: {other:?}"
        ))),
    }
}

/// What Consul notes when no reason is given.
const NO_REASON: &str = "Maintenance mode is enabled for this service, but no reason was provided. This is a default message.";
