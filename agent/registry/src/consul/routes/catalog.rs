//! `/v1/catalog`: what is registered.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    elsewhere,
    health::{Wanted, render, row, shared, view},
};
use crate::{
    Caller, Rendering, WatchKey,
    consul::{
        error::ApiError,
        filter::Filter,
        http::{Answer, Head},
        server::Server,
        types::{
            blank,
            entry::CatalogEntry,
            node::NodeRow,
            service::{ServiceForm, ServiceRow},
        },
    },
    model::{Instance, Name, NodeEntry},
};

pub(super) async fn read(
    server: &Server,
    head: &Head,
    rest: &str,
    caller: &Caller,
) -> Result<Answer, ApiError> {
    match super::split(rest) {
        ("datacenters", "") => Answer::render(&[&server.settings().datacenter], &head.options),
        ("services", "") => services(server, head, caller).await,
        ("service", "") => Err(ApiError::bad_request("Missing service name")),
        ("service", name) => service(server, head, name, caller).await,
        ("connect", name) if !name.is_empty() => {
            let view = view(server, head, name).await?;
            Ok(Answer::json("[]").at(view.index, &head.options))
        }
        ("nodes", "") => nodes(server, head).await,
        ("node" | "node-services", "") => Err(ApiError::bad_request("Missing node name")),
        ("node", name) => node(server, head, name, Shape::Map).await,
        ("node-services", name) => node(server, head, name, Shape::List).await,
        _ => Ok(elsewhere(head)),
    }
}

/// Names of services with all their tags.
async fn services(server: &Server, head: &Head, caller: &Caller) -> Result<Answer, ApiError> {
    let options = &head.options;
    let filter = Filter::given(options.filter.as_deref(), &blank::catalog())?;
    let namespace = head.namespace();
    server
        .wait(&WatchKey::Services(Name::clone(&namespace)), options)
        .await?;
    let list = server.registry().services(&namespace);
    let sight = server.registry().sight(caller);
    let looks_inside =
        options.filter.is_some() || !options.node_meta.is_empty() || !sight.is_open();
    let mut services: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for summary in &list.services {
        let name = &*summary.key.service;
        if !looks_inside {
            services.insert(name, summary.tags.clone());
            continue;
        }
        let view = server.registry().service(&namespace, name)?;
        let sight = sight.clone();
        let wanted = Wanted::new(Vec::new(), false, options, sight).entries(server, &view);
        let rows = wanted
            .into_iter()
            .map(|entry| CatalogEntry(row(server, entry)));
        if let Some(tags) = tags_of(rows, &filter) {
            services.insert(name, tags);
        }
    }
    Ok(Answer::render(&services, options)?.at(list.index, options))
}

/// All tags of the entries that the filter accepts; `None` when it accepts none.
fn tags_of<'a>(
    entries: impl Iterator<Item = CatalogEntry<'a>>,
    filter: &Filter,
) -> Option<BTreeSet<String>> {
    entries
        .filter(|entry| filter.accepts(entry))
        .map(|entry| entry.0.instance.tags.iter().cloned().collect())
        .reduce(|mut tags: BTreeSet<String>, mut more| {
            tags.append(&mut more);
            tags
        })
}

async fn service(
    server: &Server,
    head: &Head,
    name: &str,
    caller: &Caller,
) -> Result<Answer, ApiError> {
    let options = &head.options;
    let filter = Filter::given(options.filter.as_deref(), &blank::catalog())?;
    let query = head.query();
    let sight = server.registry().sight(caller);
    let wanted = Wanted::new(query.all("tag").collect(), false, options, sight);
    let view = view(server, head, name).await?;
    let index = view.index;
    let answer = if wanted.is_plain(&view) {
        shared(&view, Rendering::ConsulCatalog, |view| {
            render(
                view.entries
                    .iter()
                    .map(|entry| CatalogEntry(row(server, entry))),
            )
        })
    } else {
        let entries = wanted.entries(server, &view);
        let rows: Vec<CatalogEntry<'_>> = entries
            .into_iter()
            .map(|entry| CatalogEntry(row(server, entry)))
            .filter(|row| filter.accepts(row))
            .collect();
        Answer::render(&rows, options)?
    };
    Ok(answer.at(index, options))
}

async fn nodes(server: &Server, head: &Head) -> Result<Answer, ApiError> {
    let options = &head.options;
    let filter = Filter::given(options.filter.as_deref(), &blank::node())?;
    server.wait(&WatchKey::Nodes, options).await?;
    let list = server.registry().nodes();
    let mut rows: Vec<NodeRow<'_>> = list
        .nodes
        .iter()
        .map(|entry| node_row(server, entry))
        .filter(|row| row.has_meta(&options.node_meta) && filter.accepts(row))
        .collect();
    if let Some(near) = &options.near {
        let near = if near == "_agent" {
            server.node()
        } else {
            near.as_str()
        };
        rows.sort_by_key(|row| *row.entry.node.name != *near);
    }
    Ok(Answer::render(&rows, options)?.at(list.index, options))
}

/// How the services of a node are listed.
#[derive(Clone, Copy)]
enum Shape {
    /// By id.
    Map,
    /// One after the other.
    List,
}

async fn node(server: &Server, head: &Head, name: &str, shape: Shape) -> Result<Answer, ApiError> {
    let options = &head.options;
    let filter = Filter::given(options.filter.as_deref(), &blank::service())?;
    let key = WatchKey::Node(name.into());
    server.wait(&key, options).await?;
    let registry = server.registry();
    let index = registry.index(&key)?;
    let entry = registry.node(name);
    let instances = registry.instances_on(name, &head.namespace());
    let services = instances
        .iter()
        .map(|instance| service_row(instance))
        .filter(|row| filter.accepts(row));
    let node = entry.as_deref().map(|entry| node_row(server, entry));
    let answer = match (shape, node) {
        (Shape::Map, None) => Answer::json("null"),
        (Shape::Map, node) => {
            let services: BTreeMap<&str, ServiceRow<'_>> =
                services.map(|row| (&*row.instance.key.id, row)).collect();
            Answer::render(&OfNode { node, services }, options)?
        }
        (Shape::List, node) => {
            let services: Vec<ServiceRow<'_>> = services.collect();
            Answer::render(&OfNode { node, services }, options)?
        }
    };
    Ok(answer.at(index, options))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfNode<'a, S> {
    node: Option<NodeRow<'a>>,
    services: S,
}

fn node_row<'a>(server: &'a Server, entry: &'a NodeEntry) -> NodeRow<'a> {
    NodeRow {
        entry,
        datacenter: &server.settings().datacenter,
    }
}

fn service_row(instance: &Instance) -> ServiceRow<'_> {
    ServiceRow {
        instance,
        form: ServiceForm::Catalog,
    }
}
