//! How documents are doing: for the API, and for whoever wonders why a change has no effect.

use std::{collections::BTreeMap, time::Instant};

use ::config::{Event, Stage, Status, Watcher};
use serde::Serialize;

use super::listener::Listeners;
use crate::services::ListenerReport;

/// Every document of this node, and what happened to them; for `/api/v1/config`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where they are served.
    pub listeners: Vec<ListenerReport>,
    /// By name.
    pub documents: Vec<DocumentReport>,
    /// The last events, the newest last. Secrets are masked.
    pub events: Vec<Event>,
}

/// One document.
#[derive(Debug, Serialize)]
pub struct DocumentReport {
    /// Namespace and name: `golens/settings` are golens' own settings.
    pub document: String,
    /// The generation in force.
    pub generation: Option<u64>,
    /// The last one that worked well.
    pub good: Option<u64>,
    /// The one that it is pinned to.
    pub pin: Option<u64>,
    /// Whether the last change was taken.
    pub last_change_ok: bool,
    /// Changes that were taken since the start.
    pub applied: u64,
    /// Changes that were refused since the start, by the step that refused them.
    pub refused: BTreeMap<&'static str, u64>,
    /// Sources that are gone or cannot be read.
    pub lost: Vec<LostReport>,
}

/// A source that is gone or cannot be read; what it said before stays in force.
#[derive(Debug, Serialize)]
pub struct LostReport {
    /// Kind and name.
    pub source: String,
    /// For how long.
    pub seconds: u64,
}

/// How all documents are doing.
pub(crate) fn report(watcher: &Watcher, listeners: &Listeners) -> Report {
    let now = Instant::now();
    let status = watcher.status();
    Report {
        listeners: listeners.report(),
        documents: status
            .iter()
            .map(|(id, status)| document(id.to_string(), status, now))
            .collect(),
        events: watcher.events().since(0),
    }
}

fn document(document: String, status: &Status, now: Instant) -> DocumentReport {
    let refused = Stage::ALL.iter().zip(status.refused);
    let lost = status.lost.iter().map(|(source, since)| LostReport {
        source: source.to_string(),
        seconds: now.saturating_duration_since(*since).as_secs(),
    });
    DocumentReport {
        document,
        generation: status.generation,
        good: status.good,
        pin: status.pin,
        last_change_ok: status.last_change_ok,
        applied: status.applied,
        refused: refused
            .filter(|(_, count)| *count > 0)
            .map(|(stage, count)| (stage.as_str(), count))
            .collect(),
        lost: lost.collect(),
    }
}
