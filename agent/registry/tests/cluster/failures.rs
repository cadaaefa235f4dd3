//! etcd fails in many ways; discovery answers through all of them, and all is right again within 10 s.

use std::time::Duration;

use registry::{BreakerSettings, BreakerState, Freshness, cluster::Settings};

use crate::common::{Etcd, Node, Wire, eventually, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_etcd_is_dead_the_last_view_is_answered_and_marked() {
    let mut etcd = Etcd::start().await;
    let a = Node::join("a", settings(etcd.address)).await;
    let b = Node::join("b", settings(etcd.address)).await;
    a.register("web", "web-1").await;
    b.will_see("web", &["a/web-1"]).await;
    assert_eq!(b.registry.trust(None), registry::Trust::default());
    etcd.kill();
    eventually("the loss is seen", async || !b.status().connected).await;
    for freshness in [Freshness::Stale, Freshness::Expired] {
        eventually(freshness.as_str(), async || {
            b.registry.trust(None).freshness == freshness
        })
        .await;
        assert_eq!(b.sees("web"), ["a/web-1"]);
    }
    // What is registered meanwhile is known here, and elsewhere afterwards.
    a.register("web", "web-2").await;
    assert_eq!(a.sees("web"), ["a/web-1", "a/web-2"]);
    let b = b.restart(settings(etcd.address)).await;
    assert_eq!(b.sees("web"), ["a/web-1"], "from disk");
    assert_ne!(b.registry.trust(None).freshness, Freshness::Fresh);
    etcd.restart().await;
    b.will_see("web", &["a/web-1", "a/web-2"]).await;
    eventually("it is fresh again", async || {
        b.registry.trust(None).freshness == Freshness::Fresh
    })
    .await;
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_etcd_is_left_alone_and_found_again() {
    let etcd = Etcd::start().await;
    let a = Node::join("a", settings(etcd.address)).await;
    let b = Node::join("b", settings(etcd.address)).await;
    a.register("web", "web-1").await;
    b.will_see("web", &["a/web-1"]).await;
    etcd.pause();
    eventually("the silence is noticed", async || !b.status().connected).await;
    assert_eq!(b.sees("web"), ["a/web-1"]);
    a.register("web", "web-2").await;
    etcd.resume();
    b.will_see("web", &["a/web-1", "a/web-2"]).await;
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_cut_off_learns_what_was_compacted_meanwhile() {
    let etcd = Etcd::start().await;
    let wire = Wire::to(etcd.address).await;
    let a = Node::join("a", settings(etcd.address)).await;
    let b = Node::join("b", settings(wire.address)).await;
    a.register("web", "web-1").await;
    a.register("web", "web-2").await;
    b.register("web", "web-3").await;
    b.will_see("web", &["a/web-1", "a/web-2", "b/web-3"]).await;
    a.connected().await;
    wire.cut();
    eventually("the cut is noticed", async || !b.status().connected).await;
    // The lease of the one that is cut off ends.
    a.will_see("web", &["a/web-1", "a/web-2"]).await;
    a.deregister("web-1").await;
    a.register("web", "web-4").await;
    eventually("a has told", async || etcd.keys("/web/a/").await.len() == 2).await;
    etcd.compact().await;
    assert_eq!(b.sees("web"), ["a/web-1", "a/web-2", "b/web-3"]);
    wire.mend();
    for node in [&a, &b] {
        node.will_see("web", &["a/web-2", "a/web-4", "b/web-3"])
            .await;
    }
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_opens_before_an_etcd_that_is_silent_and_closes_after_trials() {
    let etcd = Etcd::start().await;
    let with_trials = |trials| Settings {
        call_timeout: Duration::from_millis(200),
        breaker: BreakerSettings {
            trials,
            probe_every: Duration::from_millis(200),
            ..BreakerSettings::default()
        },
        ..settings(etcd.address)
    };
    let a = Node::join("a", with_trials(3)).await;
    // More trials than calls are made for a long time.
    let b = Node::join("b", with_trials(10_000)).await;
    a.register("web", "web-1").await;
    b.register("db", "db-1").await;
    a.will_see("db", &["b/db-1"]).await;
    b.will_see("web", &["a/web-1"]).await;
    etcd.pause();
    // Both have something to say, and find nobody who listens.
    a.register("web", "web-2").await;
    b.register("db", "db-2").await;
    for node in [&a, &b] {
        eventually("the breaker opens", async || {
            node.status().breaker == BreakerState::Open
        })
        .await;
        let status = node.status();
        assert_eq!(status.breaker_opened, 1);
        assert!(status.failures >= 5 && !status.connected, "{status:?}");
    }
    let failures = a.status().failures;
    assert_eq!(a.sees("db"), ["b/db-1"], "what was known is answered");
    assert_eq!(b.sees("web"), ["a/web-1"], "what was known is answered");
    assert_eq!(a.status().failures, failures, "etcd is left alone");
    etcd.resume();
    a.will_see("db", &["b/db-1", "b/db-2"]).await;
    b.will_see("web", &["a/web-1", "a/web-2"]).await;
    eventually("enough trials succeed", async || {
        a.status().breaker == BreakerState::Closed
    })
    .await;
    let status = b.status();
    assert_eq!(
        (status.breaker, status.connected, status.breaker_opened),
        (BreakerState::HalfOpen, true, 1)
    );
    a.end();
    b.end();
}
