//! The node's registry in its cluster, and what there is to say of that.

use std::{sync::Arc, time::Duration};

use registry::{
    ClusterStatus, Freshness, Registry,
    cluster::{Cluster, Settings},
};
use serde::Serialize;
use tokio::sync::watch;

use super::status::Status;
use crate::doctor::error_chain;

/// Between two tries to join.
const RETRY: Duration = Duration::from_secs(5);

/// Joins the cluster and stays until `stop`. Others are told nothing before `complete`, when what runs on this
/// node is found: else a restart of golens would take it away from them for a moment.
pub(super) async fn keep(
    registry: Registry,
    settings: Settings,
    status: Arc<Status>,
    complete: watch::Receiver<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let _cluster = loop {
        let joined = Cluster::join_incomplete(&registry, settings.clone(), complete.clone());
        let reason = match joined.await {
            Ok(cluster) => break cluster,
            Err(error) => error_chain(&error),
        };
        if status.not_joined(reason.clone()) {
            tracing::warn!(
                reason,
                "the registry does not join its cluster; it tries again"
            );
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    };
    drop(stop.wait_for(|stop| *stop).await);
}

/// The cluster as this node sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClusterReport {
    /// Members of etcd, as they were configured.
    pub endpoints: Vec<String>,
    /// Whether its changes are followed.
    pub connected: bool,
    /// `fresh`, `stale` or `expired`: how far what is known of other nodes is to be trusted.
    pub view: &'static str,
    /// Milliseconds since etcd last said something; since the start when it never did.
    pub last_contact_ms: u64,
    /// `closed`, `open` or `half-open`: whether etcd is called.
    pub breaker: &'static str,
    /// Times that the breaker opened.
    pub breaker_opened: u64,
    /// Whether another registry has the name of this node, so that nothing of it is published.
    pub name_taken: bool,
    /// Other nodes.
    pub nodes: u64,
    /// Their instances.
    pub remote: u64,
    /// Instances of this node that etcd holds.
    pub published: u64,
    /// Instances that are not published because only this machine reaches them.
    pub kept_here: u64,
    /// Instances that are too large to be published.
    pub too_large: u64,
    /// Leases that the published ones live by.
    pub leases: u64,
    /// Leases that were lost and made again.
    pub leases_lost: u64,
    /// Services that etcd says are empty and that are kept for a while.
    pub protected: u64,
    /// Times that everything was read anew.
    pub resyncs: u64,
    /// Times that a connection, or the attempt at one, failed.
    pub failures: u64,
    /// Records of other nodes that were not understood.
    pub refused: u64,
    /// What went wrong last, as long as it is not right again.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_error: String,
}

impl ClusterReport {
    /// How the cluster is; `not_joined` says why there is none yet.
    pub(super) fn new(
        endpoints: Vec<String>,
        status: Option<ClusterStatus>,
        not_joined: Option<&str>,
    ) -> Self {
        let status = status.unwrap_or_else(|| ClusterStatus {
            freshness: Freshness::Stale,
            last_error: not_joined.unwrap_or_default().to_owned(),
            ..ClusterStatus::default()
        });
        Self {
            endpoints,
            connected: status.connected,
            view: status.freshness.as_str(),
            last_contact_ms: u64::try_from(status.last_contact.as_millis()).unwrap_or(u64::MAX),
            breaker: status.breaker.as_str(),
            breaker_opened: status.breaker_opened,
            name_taken: status.name_taken,
            nodes: status.remote_nodes,
            remote: status.remote_instances,
            published: status.published,
            kept_here: status.kept_here,
            too_large: status.too_large,
            leases: status.leases,
            leases_lost: status.leases_lost,
            protected: status.protected,
            resyncs: status.resyncs,
            failures: status.failures,
            refused: status.refused,
            last_error: status.last_error,
        }
    }
}
