//! A discovered process and an API registration of the same address are one instance.

use registry::model::{Addition, CheckSpec, Health, InstanceKey, Registration, Source, Status};

use crate::folder::{Folder, NS, ids, index, key, me};

fn found(id: &str, address: &str, port: u16) -> Registration {
    Registration {
        source: Source::Discovered,
        address: address.to_owned(),
        port,
        ..Registration::new(key(id), "found")
    }
}

fn by_api(id: &str, address: &str, port: u16) -> Registration {
    Registration {
        address: address.to_owned(),
        port,
        ..Registration::new(key(id), "web")
    }
}

#[tokio::test]
async fn the_registered_one_wins_whoever_came_first() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let register = async |registration| registry.register(registration, &me()).await.unwrap();
    let remove = async |key: &InstanceKey| registry.deregister(key, &me()).await.unwrap();

    register(found("p", "0.0.0.0", 8080)).await;
    register(found("q", "10.0.0.1", 9090)).await;
    assert_eq!(ids(&registry, "found"), ["p", "q"]);
    // An empty address is that of the node, 10.0.0.1.
    register(by_api("web-p", "", 8080)).await;
    assert_eq!(ids(&registry, "found"), ["q"]);
    let moved = index(&registry, "found");
    register(by_api("web-q", "10.0.0.2", 9090)).await;
    assert_eq!(ids(&registry, "found"), ["q"]);
    assert_eq!(index(&registry, "found"), moved);

    // Found again while hidden: nothing happens.
    assert!(!register(found("p", "0.0.0.0", 8080)).await.changed);
    remove(&key("web-p")).await;
    assert_eq!(ids(&registry, "found"), ["p", "q"]);

    // Uncovered when the registered one moves to another port.
    register(by_api("web-p", "", 8080)).await;
    assert_eq!(ids(&registry, "found"), ["q"]);
    register(by_api("web-p", "", 8081)).await;
    assert_eq!(ids(&registry, "found"), ["p", "q"]);
    // A discovered one never takes the id of a registered one.
    register(found("web-p", "10.0.0.1", 7070)).await;
    assert_eq!(
        registry.instance(&key("web-p")).unwrap().source,
        Source::Api
    );

    // Gone while hidden: it does not come back.
    register(by_api("web-p", "10.0.0.1", 8080)).await;
    remove(&key("p")).await;
    remove(&key("web-p")).await;
    assert_eq!(ids(&registry, "found"), ["q"]);
}

#[tokio::test]
async fn what_was_found_is_to_be_found_again_after_a_restart() {
    let folder = Folder::new();
    let registry = folder.open().await;
    registry
        .register(found("p", "10.0.0.1", 8080), &me())
        .await
        .unwrap();
    let before = index(&registry, "found");
    drop(registry);
    let registry = folder.open().await;
    assert!(registry.service(NS, "found").unwrap().entries.is_empty());
    assert!(index(&registry, "found") >= before);
    registry
        .register(found("p", "10.0.0.1", 8080), &me())
        .await
        .unwrap();
    assert!(index(&registry, "found") > before);
}

#[tokio::test]
async fn a_registration_whose_process_is_gone_is_critical_until_there_is_one_again() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let register = async |registration| registry.register(registration, &me()).await.unwrap();
    let gone = async |id: &str| {
        let reason = format!("process {id} has ended");
        registry
            .process_gone(&key(id), reason, &me())
            .await
            .unwrap()
    };
    let health = || registry.service(NS, "web").unwrap().entries[0].health();
    let alive = Addition {
        status: Some(Status::Passing),
        ..Addition::new(CheckSpec::external("own", "own"))
    };
    let web = || Registration {
        checks: vec![alive.clone()],
        ..by_api("web-1", "10.0.0.1", 8080)
    };

    register(web()).await;
    register(found("p1", "10.0.0.1", 8080)).await;
    assert_eq!(health(), Health::Passing);
    gone("p1").await;
    let instance = registry.instance(&key("web-1")).unwrap();
    assert_eq!(health(), Health::Critical);
    let output = instance.checks.iter().map(|check| check.output.as_str());
    assert_eq!(output.collect::<Vec<_>>(), ["", "process p1 has ended"]);
    // Found again, by whatever process.
    register(found("p2", "0.0.0.0", 8080)).await;
    assert_eq!(health(), Health::Passing);
    // One takes over from the other.
    register(found("p3", "10.0.0.1", 8080)).await;
    gone("p2").await;
    assert_eq!(health(), Health::Passing);
    gone("p3").await;
    assert_eq!(health(), Health::Critical);
    // Who registers again says that it is there.
    register(web()).await;
    assert_eq!(health(), Health::Passing);
    // A program elsewhere on the same port is none of its business.
    register(found("p4", "10.0.0.9", 8080)).await;
    gone("p4").await;
    assert_eq!(health(), Health::Passing);
    assert_eq!(ids(&registry, "found"), [""; 0]);
}
