//! What one node registers, the others see.

use std::time::Duration;

use registry::{
    Caller, Freshness, RegistryError,
    model::{Addition, CheckSpec, Probe, Registration, Source, Status},
};

use crate::common::{Etcd, Node, eventually, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_sees_what_all_have_and_namespaces_never_mix() {
    let etcd = Etcd::start().await;
    let a = Node::join("a", settings(etcd.address)).await;
    let b = Node::join("b", settings(etcd.address)).await;
    a.register("web", "web-1").await;
    b.register("web", "web-1").await;
    b.register_in("prod", "web", "web-2").await;
    let late = Node::join("c/ü", settings(etcd.address)).await;
    for node in [&a, &b, &late] {
        node.will_see("web", &["a/web-1", "b/web-1"]).await;
        eventually("the other namespace", async || {
            node.sees_in("prod", "web") == ["b/web-2"]
        })
        .await;
    }
    let view = a.registry.service("default", "web").unwrap();
    let far = &view.entries[1];
    assert_eq!(
        (far.instance.source, far.instance.port),
        (Source::Etcd, 8080)
    );
    assert_eq!(far.node.node.meta["rack"], "b");
    assert!(far.is_passing(), "{:?}", far.node.checks);

    b.deregister("web-1").await;
    a.will_see("web", &["a/web-1"]).await;
    late.will_see("web", &["a/web-1"]).await;
    for node in [a, b, late] {
        node.end();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_everything_anew_wakes_nobody() {
    let etcd = Etcd::start().await;
    let often = registry::cluster::Settings {
        compare_every: Duration::from_millis(100),
        ..settings(etcd.address)
    };
    let a = Node::join("a", settings(etcd.address)).await;
    let b = Node::join("b", often).await;
    a.register("web", "web-1").await;
    b.will_see("web", &["a/web-1"]).await;
    let index = b.registry.service("default", "web").unwrap().index;
    let revision = b.registry.revision();
    let begin = b.status().resyncs;
    eventually("five comparisons", async || b.status().resyncs >= begin + 5).await;
    assert_eq!(b.registry.service("default", "web").unwrap().index, index);
    assert_eq!(b.registry.revision(), revision, "nothing was written");
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_of_other_nodes_are_theirs() {
    let etcd = Etcd::start().await;
    let a = Node::join("a", settings(etcd.address)).await;
    let b = Node::join("b", settings(etcd.address)).await;
    let spec = CheckSpec {
        probe: Probe::Ttl {
            ttl: Duration::from_secs(3600),
        },
        ..CheckSpec::external("alive", "alive")
    };
    let registration = Registration {
        checks: vec![Addition {
            status: Some(Status::Passing),
            ..Addition::new(spec)
        }],
        ..Registration::new(a.key("default", "web-1"), "web")
    };
    a.registry
        .register(registration, &Caller::internal())
        .await
        .unwrap();
    b.will_see("web", &["a/web-1"]).await;
    let key = registry::model::CheckKey {
        namespace: "default".into(),
        node: "a".into(),
        id: "alive".into(),
    };
    let me = Caller::internal();
    a.registry
        .heartbeat(&key, Status::Critical, "no", &me)
        .await
        .unwrap();
    eventually("the check turns critical elsewhere", async || {
        let view = b.registry.service("default", "web").unwrap();
        view.entries[0].instance.checks[0].status == Status::Critical
    })
    .await;
    let elsewhere = b.registry.deregister(&a.key("default", "web-1"), &me).await;
    assert!(matches!(elsewhere, Err(RegistryError::OtherNode(node)) if &*node == "a"));
    a.end();
    b.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_with_one_name_do_not_share_it() {
    let etcd = Etcd::start().await;
    let first = Node::join("same", settings(etcd.address)).await;
    first.register("web", "web-1").await;
    eventually("it is published", async || first.status().published == 1).await;
    let second = Node::join("same", settings(etcd.address)).await;
    second.register("web", "web-2").await;
    eventually("the name is taken", async || second.status().name_taken).await;
    assert_eq!(etcd.keys("/default/web/").await.len(), 1);
    first.end();
    eventually("the name is free again", async || {
        second.status().published == 1
    })
    .await;
    assert!(!second.status().name_taken);
    assert_eq!(second.status().freshness, Freshness::Fresh);
    second.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_one_machine_reaches_stays_there() {
    let etcd = Etcd::start().await;
    let a = Node::join("a", settings(etcd.address)).await;
    let meant = registry::cluster::Settings {
        publish_loopback: true,
        ..settings(etcd.address)
    };
    let b = Node::join("b", meant).await;
    for node in [&a, &b] {
        for (port, id, address, source) in [
            (1, "1-call-loopback", "127.0.0.1", Source::Api),
            (2, "2-found-loopback", "127.0.0.1", Source::Discovered),
            (3, "3-found-loopback-6", "::1", Source::Discovered),
            (4, "4-found-everywhere", "", Source::Discovered),
            (5, "5-call-elsewhere", "10.0.0.7", Source::Api),
        ] {
            let registration = Registration {
                address: address.to_owned(),
                port,
                source,
                ..Registration::new(node.key("default", id), "web")
            };
            node.add(registration).await;
        }
    }
    let mut on_a = a.sees("web");
    let mut on_b = vec![
        "a/4-found-everywhere".to_owned(),
        "a/5-call-elsewhere".to_owned(),
    ];
    assert_eq!(on_a.iter().filter(|id| id.starts_with("a/")).count(), 5);
    on_a.retain(|id| id.starts_with("a/"));
    on_b.extend(on_a.iter().map(|id| id.replace("a/", "b/")));
    on_a.extend(
        [
            "b/1-call-loopback",
            "b/4-found-everywhere",
            "b/5-call-elsewhere",
        ]
        .map(String::from),
    );
    a.will_see_all("web", on_a).await;
    b.will_see_all("web", on_b).await;
    eventually("what stays is counted", async || {
        (a.status().kept_here, b.status().kept_here) == (3, 2)
    })
    .await;

    // The address of the other end is that of its node.
    let view = a.registry.service("default", "web").unwrap();
    let far = view.entries.iter().find(|entry| {
        &*entry.instance.key.id == "4-found-everywhere" && &*entry.instance.key.node == "b"
    });
    assert_eq!(far.unwrap().node.node.address, "10.0.0.1");

    // A registration that moves to loopback is taken back.
    let moved = Registration {
        address: "localhost".to_owned(),
        port: 8080,
        ..Registration::new(a.key("default", "5-call-elsewhere"), "web")
    };
    a.add(moved).await;
    eventually("it is taken back", async || {
        !b.sees("web").contains(&"a/5-call-elsewhere".to_owned())
    })
    .await;
    a.end();
    b.end();
}
