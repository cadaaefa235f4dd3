//! What the HTTP server reads.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use crate::{
    discovery::TargetReport, documents, recent::Recent, runtime::GoroutineReport, services::Status,
    telemetry::Telemetry,
};

/// Everything the routes need; the agent builds it once.
pub struct State {
    /// Metrics, service and runtime summaries.
    pub telemetry: Arc<Telemetry>,
    /// Spans and log lines.
    pub recent: Arc<Recent>,
    /// The processes golens knows, asked for with each request.
    pub targets: Box<dyn Fn() -> Vec<TargetReport> + Send + Sync>,
    /// The last goroutine profile of each target, asked for with each request.
    pub goroutines: Box<dyn Fn() -> Vec<Arc<GoroutineReport>> + Send + Sync>,
    /// Kernel-side and drop counters, asked for with each request.
    pub counters: Box<dyn Fn() -> BTreeMap<String, u64> + Send + Sync>,
    /// How settings and documents are doing, asked for with each request.
    pub config: Box<dyn Fn() -> documents::Report + Send + Sync>,
    /// The node's service registry.
    pub registry: Arc<Status>,
    /// Set once the first scan of the node is done.
    pub ready: Arc<AtomicBool>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}
