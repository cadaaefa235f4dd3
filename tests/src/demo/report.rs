//! Everything the demo shows, as one document.

use serde::Serialize;

use super::{
    LoadSummary,
    api::{RuntimeRow, ServiceRow, Target, Trace},
};
use crate::backends::pivot::Pivot;

/// The demo's result.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// What the load client counted.
    pub(super) load: LoadSummary,
    /// The services golens found.
    pub(super) targets: Vec<Target>,
    /// Requests per route.
    pub(super) services: Vec<ServiceRow>,
    /// Go runtimes.
    pub(super) runtime: Vec<RuntimeRow>,
    /// One complete trace with its log lines.
    pub(super) trace: Option<Trace>,
    /// Whether the call of inventory is part of that trace.
    pub(super) inventory_joined: bool,
    /// A call of inventory with its log lines, when it is a trace of its own.
    pub(super) inventory_trace: Option<Trace>,
    /// One trace id in all three back ends, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pivot: Option<Pivot>,
}
