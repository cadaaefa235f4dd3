//! What the registry allows, followed while it runs.

use std::sync::Arc;

use registry::{Limiter, Registry};
use tokio::sync::watch;

use super::plan;
use crate::config::{self, Live};

/// Those parts of a registry that settings change.
pub(super) struct Policies {
    pub(super) registry: Registry,
    pub(super) limiter: Arc<Limiter>,
}

impl Policies {
    /// Puts what the settings say in force.
    pub(super) fn set(&self, config: &config::Registry) {
        self.registry.set_tag_rules(plan::tag_rules(config));
        self.limiter.set(plan::limits(config));
    }

    /// Follows the settings until `stop`.
    pub(super) async fn follow(self, mut live: Live, mut stop: watch::Receiver<bool>) {
        loop {
            // What changed before this began to wait is in them already.
            self.set(&live.now().registry);
            tokio::select! {
                () = live.changed() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}
