//! Metrics of documents: golens' own settings, and those of the node's services.

use std::collections::BTreeMap;

use ::config::{DocumentId, Stage, Status};
use prometheus::{IntCounterVec, IntGaugeVec};

use super::{catalog, own::Registrar};

/// Handles of the metrics of documents.
#[derive(Debug)]
pub struct ConfigMetrics {
    generation: IntGaugeVec,
    pinned: IntGaugeVec,
    last_change_ok: IntGaugeVec,
    sources_lost: IntGaugeVec,
    applied: IntCounterVec,
    refused: IntCounterVec,
}

impl ConfigMetrics {
    pub(super) fn new(new: &Registrar<'_>) -> Self {
        Self {
            generation: new.int_gauge_vec(&catalog::CONFIG_GENERATION),
            pinned: new.int_gauge_vec(&catalog::CONFIG_PINNED),
            last_change_ok: new.int_gauge_vec(&catalog::CONFIG_LAST_CHANGE_OK),
            sources_lost: new.int_gauge_vec(&catalog::CONFIG_SOURCES_LOST),
            applied: new.counter_vec(&catalog::CONFIG_APPLIED),
            refused: new.counter_vec(&catalog::CONFIG_REFUSED),
        }
    }

    /// Takes how all documents are doing.
    pub fn publish(&self, documents: &BTreeMap<DocumentId, Status>) {
        for (id, status) in documents {
            let id = id.to_string();
            let set = |gauge: &IntGaugeVec, value: u64| {
                let value = i64::try_from(value).unwrap_or(i64::MAX);
                gauge.with_label_values(&[&id]).set(value);
            };
            set(&self.generation, status.generation.unwrap_or(0));
            set(&self.pinned, status.pin.unwrap_or(0));
            set(&self.last_change_ok, status.last_change_ok.into());
            set(&self.sources_lost, status.lost.len() as u64);
            raise(&self.applied, &[&id], status.applied);
            for (stage, count) in Stage::ALL.iter().zip(status.refused) {
                raise(&self.refused, &[&id, stage.as_str()], count);
            }
        }
    }
}

fn raise(counters: &IntCounterVec, labels: &[&str], total: u64) {
    let counter = counters.with_label_values(labels);
    counter.inc_by(total.saturating_sub(counter.get()));
}
