//! A ConfigMap that is swapped a hundred times a second for ten seconds.

#[expect(
    dead_code,
    unused_imports,
    reason = "shared with tests that use all of it"
)]
#[path = "config/support/mod.rs"]
mod support;

use std::time::Duration;

use support::{Pace, swapped};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_swaps_are_never_mixed_and_the_last_one_wins() {
    let pace = Pace {
        swaps: 1_000,
        every: Duration::from_millis(10),
    };
    swapped(pace).await;
}
