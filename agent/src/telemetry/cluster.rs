//! Metrics of the cluster that the node's registry belongs to.

use prometheus::{Gauge, IntCounterVec, IntGauge, IntGaugeVec};
use registry::{BreakerState, ClusterStatus, Freshness};

use super::{catalog, own::Registrar, registry::raise};

/// Handles of the cluster's metrics.
#[derive(Debug)]
pub(super) struct ClusterMetrics {
    connection: IntGaugeVec,
    view: IntGaugeVec,
    breaker: IntGaugeVec,
    contact_age: Gauge,
    instances: IntGaugeVec,
    nodes: IntGauge,
    leases: IntGauge,
    protected: IntGauge,
    name_taken: IntGauge,
    events: IntCounterVec,
}

impl ClusterMetrics {
    pub(super) fn new(new: &Registrar<'_>) -> Self {
        Self {
            connection: new.int_gauge_vec(&catalog::CLUSTER_CONNECTION),
            view: new.int_gauge_vec(&catalog::CLUSTER_VIEW),
            breaker: new.int_gauge_vec(&catalog::CLUSTER_BREAKER),
            contact_age: new.gauge(&catalog::CLUSTER_CONTACT_AGE),
            instances: new.int_gauge_vec(&catalog::CLUSTER_INSTANCES),
            nodes: new.int_gauge(&catalog::CLUSTER_NODES),
            leases: new.int_gauge(&catalog::CLUSTER_LEASES),
            protected: new.int_gauge(&catalog::CLUSTER_PROTECTED),
            name_taken: new.int_gauge(&catalog::CLUSTER_NAME_TAKEN),
            events: new.counter_vec(&catalog::CLUSTER_EVENTS),
        }
    }

    /// Takes how the cluster is now.
    pub(super) fn publish(&self, status: &ClusterStatus) {
        let connection = match status.connected {
            true => "connected",
            false => "disconnected",
        };
        is_one_of(&self.connection, ["connected", "disconnected"], connection);
        let views = [Freshness::Fresh, Freshness::Stale, Freshness::Expired];
        is_one_of(
            &self.view,
            views.map(Freshness::as_str),
            status.freshness.as_str(),
        );
        let breakers = [
            BreakerState::Closed,
            BreakerState::Open,
            BreakerState::HalfOpen,
        ];
        is_one_of(
            &self.breaker,
            breakers.map(BreakerState::as_str),
            status.breaker.as_str(),
        );
        self.contact_age.set(status.last_contact.as_secs_f64());
        for (state, count) in [
            ("remote", status.remote_instances),
            ("published", status.published),
            ("kept_here", status.kept_here),
            ("too_large", status.too_large),
        ] {
            self.instances.with_label_values(&[state]).set(gauge(count));
        }
        self.nodes.set(gauge(status.remote_nodes));
        self.leases.set(gauge(status.leases));
        self.protected.set(gauge(status.protected));
        self.name_taken.set(i64::from(status.name_taken));
        for (kind, count) in [
            ("breaker_opened", status.breaker_opened),
            ("lease_lost", status.leases_lost),
            ("resync", status.resyncs),
            ("failure", status.failures),
            ("record_refused", status.refused),
        ] {
            raise(&self.events.with_label_values(&[kind]), count);
        }
    }
}

/// Sets the series of the state that it is in to 1, and those of the others to 0.
fn is_one_of<const N: usize>(metric: &IntGaugeVec, states: [&str; N], is: &str) {
    for state in states {
        let value = i64::from(state == is);
        metric.with_label_values(&[state]).set(value);
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
