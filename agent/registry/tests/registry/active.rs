//! Checks that the node carries out: when they run, and what their results change.

use std::{net::Ipv4Addr, time::Duration};

use registry::{
    WatchKey,
    model::{Addition, CheckSpec, Probe, Registration, Schedule, Status, Thresholds, Tls},
    state::Wake,
};
use tokio::net::TcpListener;

use crate::folder::{Folder, NODE, NS, check_key, far, ids, index, key, me, next, with_ttl};

/// The shortest there is.
const SECOND: Duration = Duration::from_secs(1);

fn tcp(address: String) -> CheckSpec {
    let probe = Probe::Tcp {
        address,
        tls: Tls::default(),
        schedule: Schedule {
            interval: SECOND,
            timeout: None,
        },
    };
    CheckSpec {
        probe,
        ..CheckSpec::external("c-1", "reachable")
    }
}

fn alias(id: &str, service: &str) -> CheckSpec {
    CheckSpec {
        probe: Probe::Alias {
            node: String::new(),
            service: service.to_owned(),
        },
        ..CheckSpec::external(id, "alias")
    }
}

fn with(spec: CheckSpec) -> Registration {
    Registration {
        checks: vec![Addition::new(spec)],
        ..Registration::new(key("1"), "web")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_status_is_written_and_an_equal_result_is_not() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let registration = with(tcp(address.to_string()));
    let registered = registry.register(registration, &me()).await.unwrap();
    let passes = next(&registry, "web", registered.revision).await;
    let (check, _) = registry.check(&check_key("c-1")).unwrap();
    let success = format!("TCP connect {address}: Success");
    assert_eq!((check.status, check.output), (Status::Passing, success));

    // Each run is a connection.
    let commits = registry.statistics().state.commits;
    for _ in 0..3 {
        listener.accept().await.unwrap();
    }
    assert_eq!(index(&registry, "web"), passes);
    assert_eq!(registry.statistics().state.commits, commits);

    drop(listener);
    next(&registry, "web", passes).await;
    let (check, _) = registry.check(&check_key("c-1")).unwrap();
    assert_eq!(check.status, Status::Critical);
    assert!(check.output.contains("refused"), "{}", check.output);
    assert!(registry.statistics().check_runs >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_unreachable_is_removed_after_its_time() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut spec = tcp(listener.local_addr().unwrap().to_string());
    spec.deregister_after = Some(2 * SECOND);
    let registered = registry.register(with(spec), &me()).await.unwrap();
    let passes = next(&registry, "web", registered.revision).await;
    drop(listener);
    let critical = next(&registry, "web", passes).await;
    let since = std::time::Instant::now();
    assert_eq!(ids(&registry, "web"), ["1"]);
    next(&registry, "web", critical).await;
    assert_eq!(ids(&registry, "web"), [""; 0]);
    // Never early; what is late is seen by nobody but the clock.
    assert!(since.elapsed() >= 2 * SECOND - Duration::from_millis(100));
    assert!(registry.check(&check_key("c-1")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_before_they_change_the_status() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut spec = tcp(listener.local_addr().unwrap().to_string());
    spec.thresholds = Thresholds {
        passing: 0,
        warning: 2,
        critical: 3,
    };
    let registered = registry.register(with(spec), &me()).await.unwrap();
    let mut seen = next(&registry, "web", registered.revision).await;
    let runs = registry.statistics().check_runs;
    drop(listener);
    let mut changes = Vec::new();
    while changes.len() < 2 {
        seen = next(&registry, "web", seen).await;
        let (check, _) = registry.check(&check_key("c-1")).unwrap();
        changes.push(check.status);
    }
    assert_eq!(changes, [Status::Warning, Status::Critical]);
    assert!(registry.statistics().check_runs >= runs + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_follows_its_target_and_its_node() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let mut seen = registry
        .register(with(alias("a", "2")), &me())
        .await
        .unwrap()
        .revision;
    let said = || registry.check(&check_key("a")).unwrap().0;
    // Nobody there yet: critical, which it was before it looked.
    let hour = Duration::from_secs(3600);
    registry
        .register(with_ttl("db", "2", hour), &me())
        .await
        .unwrap();
    seen = next(&registry, "web", seen).await;
    assert_eq!(
        (said().status, said().output.as_str()),
        (Status::Passing, "All checks passing.")
    );

    let target = check_key("c-2");
    let me = me();
    let beat = async |status| {
        registry
            .heartbeat(&target, status, "hot", &me)
            .await
            .unwrap()
    };
    beat(Status::Warning).await;
    seen = next(&registry, "web", seen).await;
    assert_eq!(
        (said().status, said().output.as_str()),
        (Status::Warning, "Aliased check \"alive\" failing: hot")
    );
    beat(Status::Passing).await;
    seen = next(&registry, "web", seen).await;
    assert_eq!(said().status, Status::Passing);

    // A change of the node is a change of all services on it: first that, then the alias.
    let reason = Some("disk".to_owned());
    registry
        .set_node_maintenance(&NODE.into(), reason, &me)
        .await
        .unwrap();
    while said().status != Status::Critical {
        seen = next(&registry, "web", seen).await;
    }
    registry
        .set_node_maintenance(&NODE.into(), None, &me)
        .await
        .unwrap();
    while said().status != Status::Passing {
        seen = next(&registry, "web", seen).await;
    }
    registry.deregister(&key("2"), &me).await.unwrap();
    while said().status != Status::Critical {
        seen = next(&registry, "web", seen).await;
    }
    assert_eq!(
        said().output,
        "Service \"2\" is not registered on node \"node-1\""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_of_the_node_itself_does_not_follow_itself() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let node = NODE.into();
    let added = Addition::new(alias("a", ""));
    let added = registry
        .register_check(&node, None, added, &me())
        .await
        .unwrap();
    let woken = registry.watch(&WatchKey::NodeChecks, added.revision, far());
    assert!(matches!(woken.await.unwrap(), Wake::Changed(_)));
    let (check, owner) = registry.check(&check_key("a")).unwrap();
    assert_eq!(check.status, Status::Passing);
    assert!(owner.is_none());
    assert_eq!(registry.node(NODE).unwrap().checks.len(), 2);
    assert_eq!(registry.service(NS, "web").unwrap().entries.len(), 0);
}
