//! Reads the agent's API after the load.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use super::{
    Agent, LoadSummary, Report, Services,
    api::{RuntimeRows, ServiceRows, Spans, Targets, Trace, Traces},
    pick,
};
use crate::backends::wait_for;

/// Collects once golens has counted every request the client has counted.
pub(super) fn collect(agent: &Agent, services: &Services, load: LoadSummary) -> Result<Report> {
    wait_for(
        "golens to count every request",
        Duration::from_secs(15),
        || {
            let seen = requests(agent)?;
            Ok((seen >= load.requests).then_some(()))
        },
    )
    .with_context(|| format!("the client sent {}", load.requests))?;
    let targets: Targets = ask(agent, "/api/v1/targets")?;
    let rows: ServiceRows = ask(agent, "/api/v1/services")?;
    let runtime: RuntimeRows = ask(agent, "/api/v1/runtime")?;
    let trace = whole_trace(agent)?;
    let inventory_joined = trace
        .as_ref()
        .is_some_and(|trace| trace.spans.iter().any(|span| span.service == "inventory"));
    let inventory_trace = match (&trace, inventory_joined) {
        (Some(trace), false) => call_of_inventory(agent, trace)?,
        _ => None,
    };
    let pids = services.pids();
    let mut found: Vec<_> = targets
        .targets
        .into_iter()
        .filter(|target| pids.contains(&target.pid))
        .collect();
    found.sort_by_key(|target| pids.iter().position(|pid| *pid == target.pid));
    Ok(Report {
        load,
        targets: found,
        services: rows.services,
        runtime: runtime.runtime,
        trace,
        inventory_joined,
        inventory_trace,
        pivot: None,
    })
}

fn ask<T: DeserializeOwned>(agent: &Agent, path: &str) -> Result<T> {
    serde_json::from_value(agent.api(path)?).with_context(|| format!("unexpected answer to {path}"))
}

fn requests(agent: &Agent) -> Result<u64> {
    let rows: ServiceRows = ask(agent, "/api/v1/services")?;
    Ok(rows
        .services
        .iter()
        .filter(|row| row.service == "gateway")
        .map(|row| row.requests)
        .sum())
}

/// The trace that shows most.
fn whole_trace(agent: &Agent) -> Result<Option<Trace>> {
    let traces: Traces = ask(
        agent,
        "/api/v1/traces?limit=500&service=gateway&min_spans=2",
    )?;
    match pick::best(&traces.traces) {
        Some(best) => ask(agent, &format!("/api/v1/traces/{}", best.trace_id)).map(Some),
        None => Ok(None),
    }
}

/// A call that inventory served while orders served the given trace.
fn call_of_inventory(agent: &Agent, trace: &Trace) -> Result<Option<Trace>> {
    let spans: Spans = ask(agent, "/api/v1/spans?limit=5000&service=inventory")?;
    match pick::inside(trace, &spans.spans) {
        Some(span) => ask(agent, &format!("/api/v1/traces/{}", span.trace_id)).map(Some),
        None => Ok(None),
    }
}
