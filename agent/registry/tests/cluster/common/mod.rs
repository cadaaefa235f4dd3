//! etcd, a wire that can be cut, and nodes.

mod certificates;
mod etcd;
mod node;
mod wire;

use std::time::{Duration, Instant};

pub(crate) use self::{
    certificates::Certificates,
    etcd::{Etcd, Security},
    node::{Node, settings},
    wire::Wire,
};

/// Everything has to be right again within this.
pub(crate) const CONVERGES: Duration = Duration::from_secs(10);

/// Waits until `condition` holds; fails when it does not within [`CONVERGES`].
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + CONVERGES;
    while !condition().await {
        assert!(Instant::now() < until, "not within {CONVERGES:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
