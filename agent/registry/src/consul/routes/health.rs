//! `/v1/health`: who is there and how they are.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::{elsewhere, fallback};
use crate::{
    Caller, Entry, Rendering, ServiceView, WatchKey,
    consul::{
        error::ApiError,
        filter::Filter,
        http::{Answer, Head},
        options::Options,
        server::Server,
        types::{blank, check::CheckRow, entry::HealthEntry, node::NodeRow},
    },
    model::{Name, ServiceKey, Status},
    resolve::Sight,
};

pub(super) async fn read(
    server: &Server,
    head: &Head,
    rest: &str,
    caller: &Caller,
) -> Result<Answer, ApiError> {
    match super::split(rest) {
        ("service", "") => Err(ApiError::bad_request("Missing service name")),
        ("service", name) => service(server, head, name, caller).await,
        ("checks", "") => Err(ApiError::bad_request("Missing service name")),
        ("checks", name) => checks(server, head, name, caller).await,
        ("node", "") => Err(ApiError::bad_request("Missing node name")),
        ("node", name) => node(server, head, name).await,
        ("state", "") => Err(ApiError::bad_request("Missing check state")),
        ("state", state) => state_of_all(server, head, state).await,
        // There is no mesh, so nothing is reached through one.
        ("connect" | "ingress", name) if !name.is_empty() => mesh(server, head, name).await,
        _ => Ok(elsewhere(head)),
    }
}

/// Waits for news of a service and reads it.
pub(super) async fn view(
    server: &Server,
    head: &Head,
    name: &str,
) -> Result<Arc<ServiceView>, ApiError> {
    let key = ServiceKey::new(head.namespace(), name);
    server
        .wait(&WatchKey::Service(key.clone()), &head.options)
        .await?;
    Ok(server.registry().service(&key.namespace, &key.service)?)
}

/// An entry of a view as the API shows it.
pub(super) fn row<'a>(server: &'a Server, entry: &'a Entry) -> HealthEntry<'a> {
    HealthEntry {
        node: NodeRow {
            entry: &entry.node,
            datacenter: &server.settings().datacenter,
        },
        instance: &entry.instance,
    }
}

/// Renders rows to compact JSON. Rows are plain data, so this cannot fail.
pub(super) fn render<T: Serialize>(rows: impl Iterator<Item = T>) -> Vec<u8> {
    let rows: Vec<T> = rows.collect();
    serde_json::to_vec(&rows).unwrap_or_default()
}

/// A rendering that all who ask share.
pub(super) fn shared(
    view: &ServiceView,
    form: Rendering,
    render: impl FnOnce(&ServiceView) -> Vec<u8>,
) -> Answer {
    Answer::json(Bytes::from_owner(view.rendered(form, render)))
}

/// Whether the answer is the same for everybody who asks for this service.
pub(super) fn is_plain(options: &Options) -> bool {
    options.filter.is_none()
        && options.near.is_none()
        && options.node_meta.is_empty()
        && !options.pretty
}

/// Which entries of a service are wanted, and in which order.
pub(super) struct Wanted<'a> {
    pub(super) tags: Vec<&'a str>,
    pub(super) passing: bool,
    options: &'a Options,
    sight: Sight,
}

impl<'a> Wanted<'a> {
    /// Everything that the caller sees and that passes tags, health and metadata; near ones first.
    pub(super) fn entries(&self, server: &Server, view: &'a ServiceView) -> Vec<&'a Entry> {
        let mut entries: Vec<&Entry> = view
            .entries
            .iter()
            .filter(|entry| !self.passing || entry.is_passing())
            .filter(|entry| entry.instance.has_tags(&self.tags))
            .filter(|entry| self.sight.sees(entry))
            .collect();
        self.arrange(server, &mut entries);
        entries
    }

    /// Leaves out what does not pass the metadata; near ones come first.
    pub(super) fn arrange(&self, server: &Server, entries: &mut Vec<&Entry>) {
        entries.retain(|entry| has_meta(entry, &self.options.node_meta));
        if let Some(near) = &self.options.near {
            let near = if near == "_agent" {
                server.node()
            } else {
                near.as_str()
            };
            entries.sort_by_key(|entry| *entry.node.node.name != *near);
        }
    }

    /// Tags and options of a caller who sees that much.
    pub(super) fn new(
        tags: Vec<&'a str>,
        passing: bool,
        options: &'a Options,
        sight: Sight,
    ) -> Self {
        Self {
            tags,
            passing,
            options,
            sight,
        }
    }

    /// Whether that is simply all of them, or all that pass.
    pub(super) fn is_plain(&self, view: &ServiceView) -> bool {
        self.tags.is_empty() && is_plain(self.options) && self.sight.sees_all(&view.entries)
    }
}

fn has_meta(entry: &Entry, wanted: &[(String, String)]) -> bool {
    let meta = &entry.node.node.meta;
    wanted
        .iter()
        .all(|(key, value)| meta.get(key) == Some(value))
}

async fn service(
    server: &Server,
    head: &Head,
    name: &str,
    caller: &Caller,
) -> Result<Answer, ApiError> {
    let options = &head.options;
    let filter = Filter::given(options.filter.as_deref(), &blank::health())?;
    let query = head.query();
    let passing = passing(query.get("passing"), query.has("passing"))?;
    let sight = server.registry().sight(caller);
    let wanted = Wanted::new(query.all("tag").collect(), passing, options, sight);
    if options.fallback {
        return fallback::service(server, head, name, &wanted, &filter, caller).await;
    }
    let view = view(server, head, name).await?;
    let index = view.index;
    let answer = if wanted.is_plain(&view) {
        let form = if passing {
            Rendering::ConsulHealthPassing
        } else {
            Rendering::ConsulHealth
        };
        shared(&view, form, |view| {
            render(
                wanted
                    .entries(server, view)
                    .into_iter()
                    .map(|entry| row(server, entry)),
            )
        })
    } else {
        let rows: Vec<HealthEntry<'_>> = wanted
            .entries(server, &view)
            .into_iter()
            .map(|entry| row(server, entry))
            .filter(|row| filter.accepts(row))
            .collect();
        Answer::render(&rows, options)?
    };
    Ok(answer.at(index, options))
}

/// `passing`, `passing=1`, `passing=true`; other words are refused, as Go does.
fn passing(value: Option<&str>, is_given: bool) -> Result<bool, ApiError> {
    match value {
        None => Ok(is_given),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(_) => Err(ApiError::bad_request("Invalid value for ?passing")),
    }
}

async fn checks(
    server: &Server,
    head: &Head,
    name: &str,
    caller: &Caller,
) -> Result<Answer, ApiError> {
    let options = &head.options;
    let filter = Filter::given(options.filter.as_deref(), &blank::check())?;
    let view = view(server, head, name).await?;
    let wanted = Wanted::new(Vec::new(), false, options, server.registry().sight(caller));
    let answer = if wanted.is_plain(&view) {
        shared(&view, Rendering::ConsulChecks, |view| {
            render(
                view.entries
                    .iter()
                    .flat_map(|entry| CheckRow::of_instance(&entry.instance)),
            )
        })
    } else {
        let entries = wanted.entries(server, &view);
        let rows: Vec<CheckRow<'_>> = entries
            .into_iter()
            .flat_map(|entry| CheckRow::of_instance(&entry.instance))
            .filter(|row| filter.accepts(row))
            .collect();
        Answer::render(&rows, options)?
    };
    Ok(answer.at(view.index, options))
}

async fn node(server: &Server, head: &Head, name: &str) -> Result<Answer, ApiError> {
    let options = &head.options;
    let filter = Filter::given(options.filter.as_deref(), &blank::check())?;
    let key = WatchKey::Node(name.into());
    server.wait(&key, options).await?;
    let registry = server.registry();
    let index = registry.index(&key)?;
    let node = registry.node(name);
    let instances = registry.instances_on(name, &head.namespace());
    let rows: Vec<CheckRow<'_>> = node
        .iter()
        .flat_map(|node| CheckRow::of_node(node))
        .chain(
            instances
                .iter()
                .flat_map(|instance| CheckRow::of_instance(instance)),
        )
        .filter(|row| filter.accepts(row))
        .collect();
    Ok(Answer::render(&rows, options)?.at(index, options))
}

/// Checks of all nodes and of all instances of the namespace with one status.
async fn state_of_all(server: &Server, head: &Head, state: &str) -> Result<Answer, ApiError> {
    let options = &head.options;
    let status = match state {
        "any" => None,
        // Consul answers unknown words with an empty list.
        word => Some(Status::parse(word)),
    };
    let filter = Filter::given(options.filter.as_deref(), &blank::check())?;
    let namespace = head.namespace();
    let keys = [
        WatchKey::Checks(Name::clone(&namespace)),
        WatchKey::NodeChecks,
    ];
    server.wait_any(&keys, options).await?;
    let registry = server.registry();
    let index = registry.index(&keys[0])?.max(registry.index(&keys[1])?);
    let nodes = registry.nodes();
    let mut rows = Vec::new();
    let instances: Vec<_> = nodes
        .nodes
        .iter()
        .filter(|entry| {
            NodeRow {
                entry,
                datacenter: "",
            }
            .has_meta(&options.node_meta)
        })
        .map(|entry| (entry, registry.instances_on(&entry.node.name, &namespace)))
        .collect();
    for (node, instances) in &instances {
        rows.extend(CheckRow::of_node(node));
        rows.extend(
            instances
                .iter()
                .flat_map(|instance| CheckRow::of_instance(instance)),
        );
    }
    rows.retain(|row| status.is_none_or(|status| status == Some(row.check.status)));
    rows.retain(|row| filter.accepts(row));
    Ok(Answer::render(&rows, options)?.at(index, options))
}

async fn mesh(server: &Server, head: &Head, name: &str) -> Result<Answer, ApiError> {
    let view = view(server, head, name).await?;
    Ok(Answer::json("[]").at(view.index, &head.options))
}
