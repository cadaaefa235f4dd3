//! What lives by leases.

use std::time::Duration;

use registry::cluster::Settings;

use crate::common::{Etcd, Node, eventually, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_instances_live_by_leases_of_two_hundred_keys() {
    let etcd = Etcd::start().await;
    let lasting = Settings {
        lease_ttl: Duration::from_secs(60),
        ..settings(etcd.address)
    };
    let a = Node::join("a", lasting.clone()).await;
    let ids: Vec<_> = (0..1_000)
        .map(|number| format!("web-{number:04}"))
        .collect();
    let registered = ids.iter().map(|id| a.register("web", id));
    futures_util::future::join_all(registered).await;
    eventually("all are published", async || a.status().published == 1_000).await;
    let leases = etcd.leases().await;
    let most = leases.iter().map(|(_, keys)| *keys).max().unwrap();
    let keys: usize = leases.iter().map(|(_, keys)| *keys).sum();
    // The record of the node is the one more.
    assert_eq!((keys, leases.len(), most), (1_001, 6, 200), "{leases:?}");

    // A restart finds its leases, and writes nothing.
    let before = etcd.keys("/web/").await;
    let a = a.restart(lasting).await;
    eventually("all are known again", async || {
        a.status().published == 1_000
    })
    .await;
    assert_eq!(etcd.keys("/web/").await, before);
    let mut again = etcd.leases().await;
    let mut leases = leases;
    again.sort();
    leases.sort();
    assert_eq!(again, leases);
    a.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lived_by_a_lost_lease_comes_back() {
    let etcd = Etcd::start().await;
    let a = Node::join("a", settings(etcd.address)).await;
    let b = Node::join("b", settings(etcd.address)).await;
    for id in ["web-1", "web-2"] {
        a.register("web", id).await;
    }
    b.will_see("web", &["a/web-1", "a/web-2"]).await;
    for (lease, _) in etcd.leases().await {
        etcd.revoke(lease).await;
    }
    eventually("the keys are back", async || {
        etcd.keys("/web/").await.len() == 2
    })
    .await;
    eventually("under new leases", async || {
        etcd.leases()
            .await
            .iter()
            .map(|(_, keys)| keys)
            .sum::<usize>()
            == 4
    })
    .await;
    b.will_see("web", &["a/web-1", "a/web-2"]).await;
    assert_eq!(a.sees("web"), ["a/web-1", "a/web-2"]);
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_instances_of_a_dead_node_vanish_with_its_leases() {
    let etcd = Etcd::start().await;
    let mut a = Node::join("a", settings(etcd.address)).await;
    let b = Node::join("b", settings(etcd.address)).await;
    a.register("web", "web-1").await;
    b.register("web", "web-2").await;
    for id in ["only-1", "only-2"] {
        a.register("only", id).await;
    }
    b.will_see("web", &["a/web-1", "b/web-2"]).await;
    b.will_see("only", &["a/only-1", "a/only-2"]).await;
    a.die();
    b.will_see("web", &["b/web-2"]).await;
    // Nobody else offers this one: it is kept for a while, and marked.
    assert_eq!(b.sees("only"), ["a/only-1", "a/only-2"]);
    let only = registry::model::ServiceKey::new("default", "only");
    assert!(b.registry.trust(Some(&only)).protected);
    b.will_see("only", &[]).await;
    eventually("the mark is gone", async || {
        !b.registry.trust(Some(&only)).protected
    })
    .await;
    eventually("the node is gone", async || b.registry.node("a").is_none()).await;
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_taken_out_is_empty_at_once() {
    let etcd = Etcd::start().await;
    let patient = Settings {
        protection: registry::ProtectionSettings::default(),
        ..settings(etcd.address)
    };
    let a = Node::join("a", patient.clone()).await;
    let b = Node::join("b", patient).await;
    for id in ["web-1", "web-2"] {
        a.register("web", id).await;
    }
    b.will_see("web", &["a/web-1", "a/web-2"]).await;
    tokio::join!(a.deregister("web-1"), a.deregister("web-2"));
    // Far sooner than the minute that a lost service is kept for.
    b.will_see("web", &[]).await;
    a.end();
    b.end();
}
