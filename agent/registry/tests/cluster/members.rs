//! An etcd of three members: one of them may go, and two of them take nothing from what is known.

use std::net::SocketAddr;

use registry::cluster::Settings;

use crate::common::{Etcd, Node, eventually, settings};

/// Settings for members that are tried in this order.
fn tried(members: impl IntoIterator<Item = SocketAddr>) -> Settings {
    let endpoints = members.into_iter().map(|member| format!("http://{member}"));
    let mut settings = settings(SocketAddr::from(([127, 0, 0, 1], 0)));
    settings.endpoints = endpoints.collect();
    settings
}

/// The member that the others follow now.
async fn leader(members: &[Etcd]) -> usize {
    let mut leads = None;
    eventually("somebody leads", async || {
        for (number, member) in members.iter().enumerate() {
            if member.is_leader().await {
                leads = Some(number);
            }
        }
        leads.is_some()
    })
    .await;
    leads.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_dies_takes_nothing_with_it() {
    let mut members = Etcd::start_members(3).await;
    let leads = leader(&members).await;
    let addresses: Vec<_> = members.iter().map(|member| member.address).collect();
    // One node is connected to the leader, the other to a member that stays.
    let order = |first: usize| (0..3).map(move |step| (first + step) % 3);
    let a = Node::join("a", tried(order(leads).map(|place| addresses[place]))).await;
    let b = Node::join("b", tried(order(leads + 1).map(|place| addresses[place]))).await;
    a.register("web", "web-1").await;
    b.register("web", "web-2").await;
    for node in [&a, &b] {
        node.will_see("web", &["a/web-1", "b/web-2"]).await;
    }

    members[leads].kill();
    eventually("a notices", async || !a.status().connected).await;
    a.register("web", "web-3").await;
    for node in [&a, &b] {
        eventually("two of three go on", async || {
            let seen = node.sees("web");
            for known in ["a/web-1", "b/web-2"] {
                assert!(seen.iter().any(|row| row == known), "{known}: {seen:?}");
            }
            seen.len() == 3 && node.status().connected
        })
        .await;
    }
    assert_eq!((a.status().leases_lost, b.status().leases_lost), (0, 0));

    // The one that is left can decide nothing, and says so to the node that follows it.
    let other = (leads + 2) % 3;
    members[other].kill();
    eventually("b notices", async || !b.status().connected).await;
    a.register("web", "web-4").await;
    assert_eq!(b.sees("web"), ["a/web-1", "a/web-3", "b/web-2"]);
    members[leads].rejoin();
    members[other].rejoin();
    for node in [&a, &b] {
        node.will_see("web", &["a/web-1", "a/web-3", "a/web-4", "b/web-2"])
            .await;
    }
    for member in &members {
        member.ready().await;
    }
    a.end();
    b.end();
}
