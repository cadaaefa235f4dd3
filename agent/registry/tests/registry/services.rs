//! Services, their views and their indexes.

use registry::{
    Caller, RegistryError, Rendering, Revision, WatchKey,
    model::{Health, Registration},
    state::{
        Wake,
        tokens::{Right, Rights},
    },
};

use crate::folder::{Folder, NODE, NS, far, ids, index, key, me, next, node, register, watch_key};

#[tokio::test]
async fn a_registration_is_visible_when_it_is_acknowledged_and_stays() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let revision = register(&registry, "web", "web-1").await;
    assert_eq!(ids(&registry, "web"), ["web-1"]);
    assert_eq!(index(&registry, "web"), revision);
    let instance = registry.instance(&key("web-1")).unwrap();
    assert_eq!(instance.create_revision, revision);
    drop(registry);

    let registry = folder.open().await;
    assert_eq!(ids(&registry, "web"), ["web-1"]);
    assert_eq!(index(&registry, "web"), revision);
    assert_eq!(registry.instance(&key("web-1")).unwrap(), instance);
    assert_eq!(registry.statistics().state.changes, 0);
}

#[tokio::test]
async fn an_equal_registration_changes_nothing() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let registration = Registration {
        tags: vec!["v1".to_owned()],
        ..Registration::new(key("web-1"), "web")
    };
    let first = registry
        .register(registration.clone(), &me())
        .await
        .unwrap();
    let again = registry
        .register(registration.clone(), &me())
        .await
        .unwrap();
    assert!(first.changed);
    assert!(!again.changed);
    assert_eq!(again.revision, first.revision);
    let other = Registration {
        port: 80,
        ..registration
    };
    let third = registry.register(other, &me()).await.unwrap();
    let instance = registry.instance(&key("web-1")).unwrap();
    assert_eq!(instance.create_revision, first.revision);
    assert_eq!(instance.modify_revision, third.revision);
}

#[tokio::test]
async fn an_index_is_never_below_two_and_outlives_the_service() {
    let folder = Folder::new();
    let registry = folder.open().await;
    assert!(index(&registry, "web") >= Revision(2));
    register(&registry, "other", "other-1").await;
    let absent = index(&registry, "web");
    let registered = register(&registry, "web", "web-1").await;
    assert!(registered > absent);
    let gone = registry
        .deregister(&key("web-1"), &me())
        .await
        .unwrap()
        .revision;
    assert_eq!(index(&registry, "web"), gone);
    assert_eq!(ids(&registry, "web"), [""; 0]);
    drop(registry);
    let registry = folder.open().await;
    assert_eq!(index(&registry, "web"), gone);
    let unknown = registry.deregister(&key("web-1"), &me()).await;
    assert!(matches!(unknown, Err(RegistryError::UnknownInstance(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_is_not_woken_by_other_services() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let seen = register(&registry, "web", "web-1").await;
    let watch = |service: &'static str, seen| {
        let registry = registry.clone();
        tokio::spawn(async move { next(&registry, service, seen).await })
    };
    let web = watch("web", seen);
    let absent = watch("absent", index(&registry, "absent"));
    while registry.statistics().state.waiting < 2 {
        tokio::task::yield_now().await;
    }
    for number in 0..1_000 {
        register(
            &registry,
            &format!("s-{}", number % 7),
            &format!("i-{number}"),
        )
        .await;
    }
    assert_eq!(registry.statistics().state.waiting, 2);
    let second = register(&registry, "web", "web-2").await;
    assert_eq!(web.await.unwrap(), second);
    let third = register(&registry, "absent", "absent-1").await;
    assert_eq!(absent.await.unwrap(), third);
}

#[tokio::test]
async fn a_view_is_rendered_once_and_shared() {
    let folder = Folder::new();
    let registry = folder.open().await;
    register(&registry, "web", "web-1").await;
    let view = registry.service(NS, "web").unwrap();
    let first = view.rendered(Rendering::ConsulHealth, |view| {
        view.entries.len().to_string().into_bytes()
    });
    let same = registry.service(NS, "web").unwrap();
    let again = same.rendered(Rendering::ConsulHealth, |_| unreachable!("rendered twice"));
    assert_eq!(&*first, b"1");
    assert!(std::sync::Arc::ptr_eq(&first, &again));
    register(&registry, "web", "web-2").await;
    let new = registry.service(NS, "web").unwrap();
    let rendered = new.rendered(Rendering::ConsulHealth, |view| {
        view.entries.len().to_string().into_bytes()
    });
    assert_eq!(&*rendered, b"2");
}

#[tokio::test]
async fn the_list_of_services_moves_with_names_and_tags_only() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let tagged = |id: &str, tags: &[&str]| Registration {
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Registration::new(key(id), "web")
    };
    let first = registry
        .register(tagged("1", &["a", "a"]), &me())
        .await
        .unwrap();
    assert_eq!(registry.services(NS).index, first.revision);
    let (names, me_too) = (WatchKey::Services(NS.into()), me());
    let instance = key("2");
    let waiting = registry.watch(&names, first.revision, far());
    registry.register(tagged("2", &["a"]), &me()).await.unwrap();
    registry.deregister(&key("1"), &me()).await.unwrap();
    assert_eq!(registry.services(NS).index, first.revision);
    let (woken, changed) = tokio::join!(
        waiting,
        registry.set_tags(&instance, vec!["b".to_owned()], &me_too)
    );
    let changed = changed.unwrap().revision;
    assert_eq!(woken.unwrap(), Wake::Changed(changed));
    let list = registry.services(NS);
    assert_eq!(list.index, changed);
    assert_eq!(list.services.len(), 1);
    assert!(list.services[0].tags.iter().eq(["b"]));
    registry.deregister(&key("2"), &me()).await.unwrap();
    assert!(registry.services(NS).services.is_empty());
    assert!(registry.namespaces().is_empty());
}

#[tokio::test]
async fn maintenance_of_a_node_concerns_all_services_on_it() {
    let folder = Folder::new();
    let registry = folder.open().await;
    registry
        .register_node(node("node-2"), vec![], &me())
        .await
        .unwrap();
    register(&registry, "web", "web-1").await;
    let mut elsewhere = key("db-1");
    elsewhere.node = "node-2".into();
    let other = Registration::new(elsewhere.clone(), "db");
    let other = registry.register(other, &me()).await.unwrap().revision;

    let reason = Some("new disk".to_owned());
    let on = registry
        .set_node_maintenance(&NODE.into(), reason, &me())
        .await
        .unwrap();
    let view = registry.service(NS, "web").unwrap();
    assert_eq!(view.index, on.revision);
    assert_eq!(view.entries[0].health(), Health::Maintenance);
    assert_eq!(view.passing().count(), 0);
    assert_eq!(index(&registry, "db"), other);
    let off = registry
        .set_node_maintenance(&NODE.into(), None, &me())
        .await
        .unwrap();
    assert!(off.changed);
    assert_eq!(registry.service(NS, "web").unwrap().passing().count(), 1);

    registry
        .deregister_node(&"node-2".into(), &me())
        .await
        .unwrap();
    assert!(registry.service(NS, "db").unwrap().entries.is_empty());
    assert!(registry.node("node-2").is_none());
    let homeless = registry
        .register(Registration::new(elsewhere, "db"), &me())
        .await;
    assert!(matches!(homeless, Err(RegistryError::UnknownNode(_))));
}

#[tokio::test]
async fn a_caller_changes_only_namespaces_that_are_theirs() {
    let folder = Folder::new();
    let registry = folder.open().await;
    let rights = Rights::none().grant("staging", Right::Write);
    let caller = Caller::new("alice", std::sync::Arc::new(rights));
    let mut staging = key("web-1");
    staging.namespace = "staging".into();
    let allowed = Registration::new(staging, "web");
    registry.register(allowed, &caller).await.unwrap();
    let denied = registry
        .register(Registration::new(key("web-1"), "web"), &caller)
        .await;
    let text = denied.unwrap_err().to_string();
    assert_eq!(text, "alice has no right to write in namespace default");
    assert!(registry.service(NS, "web").unwrap().entries.is_empty());
    assert_eq!(registry.service("staging", "web").unwrap().entries.len(), 1);
}

#[tokio::test]
async fn a_restored_registry_wakes_everybody_with_a_newer_index() {
    let folder = Folder::new();
    let registry = folder.open().await;
    register(&registry, "web", "web-1").await;
    let mut snapshot = Vec::new();
    registry.store().snapshot(&mut snapshot).unwrap();
    register(&registry, "web", "web-2").await;
    let seen = register(&registry, "db", "db-1").await;
    let (waiting, caller) = (watch_key("db"), me());
    let (woken, restored) = tokio::join!(
        registry.watch(&waiting, seen, far()),
        registry.restore(std::io::Cursor::new(snapshot), &caller)
    );
    let restored = restored.unwrap();
    assert_eq!(woken.unwrap(), Wake::Changed(restored));
    assert_eq!(ids(&registry, "web"), ["web-1"]);
    for service in ["web", "db", "never"] {
        assert_eq!(index(&registry, service), restored);
    }
    assert!(register(&registry, "web", "web-3").await > restored);
}
