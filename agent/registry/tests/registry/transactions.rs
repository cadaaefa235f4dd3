//! Transactions over instances, nodes and keys, and what the audit log keeps.

use std::{sync::Arc, time::Duration};

use registry::{
    Caller, RegistryError, Transaction,
    model::Registration,
    state::{
        WriteError, audit, kv,
        tokens::{Right, Rights},
    },
};

use crate::folder::{Folder, NODE, NS, ids, index, key, me, node, register};

#[derive(Debug)]
struct Refused;

impl From<RegistryError> for Refused {
    fn from(error: RegistryError) -> Self {
        panic!("{error}");
    }
}

impl From<WriteError> for Refused {
    fn from(error: WriteError) -> Self {
        panic!("{error}");
    }
}

fn write_everything(transaction: &mut Transaction<'_, '_, '_>) -> Result<(), RegistryError> {
    transaction.register_node(node("node-2"))?;
    transaction.register(Registration::new(key("web-2"), "web"))?;
    transaction.deregister(&key("web-1"))?;
    let written = kv::put(transaction.state(), NS, "released", b"web-2", 0);
    written.map_err(|error| panic!("{error}")).map(drop)
}

#[tokio::test]
async fn a_transaction_is_seen_whole_or_not_at_all() {
    let folder = Folder::new();
    let registry = folder.open().await;
    register(&registry, "web", "web-1").await;
    let before = index(&registry, "web");
    let failed = registry.transact(|transaction| {
        write_everything(transaction)?;
        assert!(transaction.instance(&key("web-2")).is_some());
        Err::<(), Refused>(Refused)
    });
    failed.await.unwrap_err();
    let stored = |registry: &registry::Registry| {
        let reader = registry.store().read().unwrap();
        kv::get(&reader, NS, "released").unwrap().is_some()
    };
    assert_eq!(ids(&registry, "web"), ["web-1"]);
    assert_eq!(index(&registry, "web"), before);
    assert!(registry.node("node-2").is_none());
    assert!(!stored(&registry));

    let done = registry.transact(|transaction| {
        write_everything(transaction)?;
        Ok::<_, RegistryError>(())
    });
    let revision = done.await.unwrap().revision;
    assert_eq!(ids(&registry, "web"), ["web-2"]);
    assert_eq!(index(&registry, "web"), revision);
    assert!(registry.node("node-2").is_some());
    assert!(stored(&registry));
    drop(registry);
    assert_eq!(ids(&folder.open().await, "web"), ["web-2"]);
}

#[tokio::test]
async fn who_took_away_what_and_who_was_refused_is_in_the_audit_log() {
    let folder = Folder::new();
    let registry = folder.open().await;
    register(&registry, "web", "web-1").await;
    let john = Caller::new("john", Arc::new(Rights::none().grant(NS, Right::Write)));
    let web = key("web-1");
    let maintain = || registry.set_maintenance(&web, Some("update".to_owned()), &john);
    maintain().await.unwrap();
    // Nothing changes, so nothing is noted.
    maintain().await.unwrap();
    registry.deregister(&key("web-1"), &john).await.unwrap();
    let node = NODE.into();
    registry.deregister_node(&node, &john).await.unwrap_err();
    registry
        .note_denial(&john.name, "PUT", "/v1/x")
        .await
        .unwrap();
    registry
        .note_denial(&john.name, "PUT", "/v1/x")
        .await
        .unwrap();

    let reader = registry.store().read().unwrap();
    let entries = audit::latest(&reader, 10).unwrap();
    let entries: Vec<_> = entries
        .iter()
        .map(|entry| {
            [&entry.actor, &entry.action, &entry.target, &entry.outcome].map(String::as_str)
        })
        .collect();
    let path = format!("{NS}/{NODE}/web-1");
    assert_eq!(
        entries,
        [
            ["john", "instance.maintain", &path, "done"],
            ["john", "instance.deregister", &path, "done"],
            ["john", "PUT", "/v1/x", "denied"],
        ]
    );
    audit::verify(&reader).unwrap();
}

#[tokio::test]
async fn an_instance_that_goes_by_itself_is_noted() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let mut registration = crate::folder::with_ttl("web", "web-1", Duration::from_millis(10));
    for check in &mut registration.checks {
        check.spec.deregister_after = Some(Duration::from_millis(10));
    }
    let registered = registry.register(registration, &me()).await.unwrap();
    let mut seen = registered.revision;
    while registry.instance(&key("web-1")).is_some() {
        seen = crate::folder::next(&registry, "web", seen).await;
    }
    let reader = registry.store().read().unwrap();
    let entries = audit::latest(&reader, 1).unwrap();
    assert_eq!(entries[0].actor, "golens");
    assert_eq!(entries[0].action, "instance.reap");
}
