//! `/api/v1/registry`: how the node's registry is, and what it holds.

use std::sync::Arc;

use axum::{Json, extract};
use registry::{Registry, model::Source};
use serde::Serialize;
use serde_json::{Value, json};

use super::State;

/// Instances of one answer at most.
const MOST: usize = 10_000;

/// One instance, as the registry holds it.
#[derive(Serialize)]
struct InstanceRow {
    namespace: String,
    service: String,
    id: String,
    node: String,
    address: String,
    port: u16,
    tags: Vec<String>,
    source: &'static str,
    health: String,
}

pub(super) async fn report(extract::State(state): extract::State<Arc<State>>) -> Json<Value> {
    Json(json!({ "registry": state.registry.report() }))
}

pub(super) async fn instances(extract::State(state): extract::State<Arc<State>>) -> Json<Value> {
    let registry = state.registry.registry();
    let rows = registry.as_ref().map(rows).unwrap_or_default();
    let truncated = rows.len() >= MOST;
    Json(json!({ "instances": rows, "truncated": truncated }))
}

fn rows(registry: &Registry) -> Vec<InstanceRow> {
    let mut rows = Vec::new();
    for namespace in registry.namespaces() {
        for service in &registry.services(&namespace).services {
            let Ok(view) = registry.service(&namespace, &service.key.service) else {
                continue;
            };
            for entry in &view.entries {
                let instance = &entry.instance;
                rows.push(InstanceRow {
                    namespace: namespace.to_string(),
                    service: instance.service.to_string(),
                    id: instance.key.id.to_string(),
                    node: instance.key.node.to_string(),
                    address: instance.address.clone(),
                    port: instance.port,
                    tags: instance.tags.clone(),
                    source: match instance.source {
                        Source::Api => "api",
                        Source::Discovered => "discovered",
                        Source::Etcd => "cluster",
                    },
                    health: format!("{:?}", entry.health()).to_lowercase(),
                });
                if rows.len() >= MOST {
                    return rows;
                }
            }
        }
    }
    rows
}
