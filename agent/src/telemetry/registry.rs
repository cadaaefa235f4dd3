//! Metrics of the node's service registry.

use std::collections::BTreeMap;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use registry::{ClusterStatus, ResolveCounts, Statistics};

use super::{catalog, cluster::ClusterMetrics, own::Registrar};

/// Handles of the registry's metrics.
#[derive(Debug)]
pub struct RegistryMetrics {
    instances: IntGauge,
    services: IntGauge,
    listeners: IntGaugeVec,
    heartbeats: IntCounter,
    check_runs: IntCounter,
    events: IntCounterVec,
    cluster: ClusterMetrics,
    resolves: IntCounterVec,
}

impl RegistryMetrics {
    pub(super) fn new(new: &Registrar<'_>) -> Self {
        Self {
            instances: new.int_gauge(&catalog::REGISTRY_INSTANCES),
            services: new.int_gauge(&catalog::REGISTRY_SERVICES),
            listeners: new.int_gauge_vec(&catalog::REGISTRY_LISTENERS),
            heartbeats: new.counter(&catalog::REGISTRY_HEARTBEATS),
            check_runs: new.counter(&catalog::REGISTRY_CHECK_RUNS),
            events: new.counter_vec(&catalog::REGISTRY_EVENTS),
            cluster: ClusterMetrics::new(new),
            resolves: new.counter_vec(&catalog::REGISTRY_RESOLVES),
        }
    }

    /// Takes what the registry counts.
    pub fn publish(&self, numbers: &Statistics) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.instances.set(gauge(numbers.instances));
        self.services.set(gauge(numbers.services));
        raise(&self.heartbeats, numbers.heartbeats);
        raise(&self.check_runs, numbers.check_runs);
    }

    /// Takes how its cluster is.
    pub fn cluster(&self, status: &ClusterStatus) {
        self.cluster.publish(status);
    }

    /// Sets how many addresses answer and how many wait for their port.
    pub fn listeners(&self, listening: usize, waiting: usize) {
        for (state, count) in [("listening", listening), ("waiting", waiting)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.listeners.with_label_values(&[state]).set(count);
        }
    }

    /// Takes how instances were chosen.
    pub fn resolves(&self, counts: &ResolveCounts) {
        for (matched, count) in [
            ("tag", counts.tag),
            ("fallback", counts.fallback),
            ("namespace", counts.namespace),
            ("panic", counts.panic),
        ] {
            raise(&self.resolves.with_label_values(&[matched]), count);
        }
    }

    /// Takes events by kind, counted since the start.
    pub fn events(&self, counts: &BTreeMap<&'static str, u64>) {
        for (kind, count) in counts {
            raise(&self.events.with_label_values(&[kind]), *count);
        }
    }
}

/// Brings a counter to a total that only grows.
pub(super) fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}
