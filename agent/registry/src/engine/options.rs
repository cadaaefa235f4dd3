//! What goes into a registry when it is opened, and what comes back from calls.

use std::time::Duration;

use crate::{
    ProbeOptions, Revision,
    model::{Addition, Node},
};

/// How to open a registry.
#[derive(Clone, Debug)]
pub struct Options {
    /// The node that this process runs on; registered at once if it is not, and changed if it differs.
    pub node: Node,
    /// Checks of that node to begin with, such as `serfHealth`; one that exists already stays as it is.
    pub node_checks: Vec<Addition>,
    /// Options of the state.
    pub state: state::Options,
    /// How the checks of this node are run.
    pub probes: ProbeOptions,
    /// Time between snapshots beside the file; none are kept without.
    pub snapshot_interval: Option<Duration>,
}

/// A change that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Revision of the change; of the one before when nothing had to be changed.
    pub revision: Revision,
    /// Whether something was changed: a registration equal to the last one changes nothing.
    pub changed: bool,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Instances of all namespaces.
    pub instances: u64,
    /// Services that have instances.
    pub services: u64,
    /// Checks of instances and nodes.
    pub checks: u64,
    /// Heartbeats that were taken since the start.
    pub heartbeats: u64,
    /// Runs of checks that were taken since the start.
    pub check_runs: u64,
    /// What the state did.
    pub state: state::Statistics,
}
