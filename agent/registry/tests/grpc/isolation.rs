//! Who is answered with which instances: tags, namespaces, tags that are not for everybody.

use registry::{Fallback, ResolveCounts, TagRule, TagRules, Tagged, grpc::v1, model::ServiceKey};

use crate::server::{Client, Running, Wishes, id, ids, instance, register, start};

async fn resolve(client: &mut Client, service: &str, tags: &[&str]) -> (v1::Matched, Vec<String>) {
    let request = v1::ResolveRequest {
        service: service.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..v1::ResolveRequest::default()
    };
    let resolved = client.resolve(request).await.unwrap().into_inner();
    let ids = ids(&resolved.instances).into_iter().map(str::to_owned);
    (resolved.matched(), ids.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_preferred_then_the_namespace_then_anybody() {
    use v1::{Matched, Status};
    let running = start(Wishes::default()).await;
    let mut client = running.client().await;
    for (name, tags, status) in [
        ("base", &[][..], Status::Passing),
        ("canary", &["canary"], Status::Warning),
        ("sick", &["legacy"], Status::Critical),
    ] {
        register(&mut client, instance("web", name, tags), status).await;
    }
    let other = v1::Instance {
        id: Some(v1::InstanceId {
            namespace: "dev".to_owned(),
            ..id("dev")
        }),
        ..instance("web", "dev", &["only-dev"])
    };
    register(&mut client, other, Status::Passing).await;

    let well = || vec!["base".to_owned(), "canary".to_owned()];
    let one = |id: &str| vec![id.to_owned()];
    let found = resolve(&mut client, "web", &["canary"]).await;
    assert_eq!(found, (Matched::Tag, one("canary")));
    for tags in [&[][..], &["nobody"], &["legacy"], &["only-dev"]] {
        let found = resolve(&mut client, "web", tags).await;
        assert_eq!(found, (Matched::Namespace, well()), "{tags:?}");
    }
    let found = resolve(&mut client, "nothing", &["canary"]).await;
    assert_eq!(found, (Matched::Namespace, Vec::new()));

    // A tag that changes while the instance runs.
    let request = v1::SetTagsRequest {
        id: Some(id("base")),
        tags: vec!["blue".to_owned()],
    };
    client.set_tags(request).await.unwrap();
    let found = resolve(&mut client, "web", &["blue"]).await;
    assert_eq!(found, (Matched::Tag, one("base")));

    for name in ["base", "canary"] {
        let request = v1::DeregisterRequest { id: Some(id(name)) };
        client.deregister(request).await.unwrap();
    }
    let found = resolve(&mut client, "web", &["canary"]).await;
    assert_eq!(found, (Matched::Panic, one("sick")));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_a_debug_tag_is_nobodys_fallback() {
    let rule = TagRule {
        tag: "debug-*".to_owned(),
        callers: vec!["uid 4711 *".to_owned()],
    };
    let running = start(Wishes {
        tag_rules: TagRules(vec![rule]),
        ..Wishes::default()
    })
    .await;
    let mut client = running.client().await;
    register(
        &mut client,
        instance("web", "base", &[]),
        v1::Status::Passing,
    )
    .await;
    let tagged = instance("web", "john", &["debug-john"]);
    register(&mut client, tagged, v1::Status::Passing).await;
    let found = resolve(&mut client, "web", &["debug-john"]).await;
    assert_eq!(found, (v1::Matched::Namespace, vec!["base".to_owned()]));
    running.stop().await;
}

/// Sets what the check of an instance says.
async fn set(client: &mut Client, name: &str, status: v1::Status) {
    let beat = v1::KeepAliveRequest {
        id: Some(id(name)),
        status: status.into(),
        ..v1::KeepAliveRequest::default()
    };
    let answers = client.keep_alive(tokio_stream::once(beat)).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap();
    assert!(answer.unwrap().known);
}

fn told(running: &Running) -> Vec<(Vec<String>, Tagged)> {
    let fallbacks = running.registry.take_fallbacks().into_iter();
    let told = fallbacks.map(
        |Fallback {
             service,
             tags,
             tagged,
         }| {
            assert_eq!(service, ServiceKey::new("default", "web"));
            (tags, tagged)
        },
    );
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_is_counted_each_time_and_told_when_it_begins_and_ends() {
    use v1::{Matched, Status};
    let running = start(Wishes::default()).await;
    let mut client = running.client().await;
    register(&mut client, instance("web", "base", &[]), Status::Passing).await;
    register(
        &mut client,
        instance("web", "new", &["canary"]),
        Status::Passing,
    )
    .await;
    let tagged = |tagged| (vec!["canary".to_owned()], tagged);
    for (status, matched, news) in [
        (Status::Passing, Matched::Tag, vec![]),
        (
            Status::Critical,
            Matched::Namespace,
            vec![tagged(Tagged::Unwell)],
        ),
        (Status::Warning, Matched::Tag, vec![tagged(Tagged::Back)]),
    ] {
        set(&mut client, "new", status).await;
        for _ in 0..3 {
            assert_eq!(resolve(&mut client, "web", &["canary"]).await.0, matched);
        }
        assert_eq!(told(&running), news);
    }
    let request = v1::DeregisterRequest {
        id: Some(id("new")),
    };
    client.deregister(request).await.unwrap();
    resolve(&mut client, "web", &["canary"]).await;
    resolve(&mut client, "web", &[]).await;
    assert_eq!(told(&running), [tagged(Tagged::Missing)]);
    set(&mut client, "base", Status::Critical).await;
    resolve(&mut client, "web", &[]).await;
    let counts = ResolveCounts {
        tag: 6,
        fallback: 4,
        namespace: 1,
        panic: 1,
    };
    assert_eq!(running.registry.resolve_counts(), counts);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_nothing_that_is_for_others() {
    use v1::{Kind, Status};
    let rule = TagRule {
        tag: "debug-*".to_owned(),
        callers: vec!["uid 4711 *".to_owned()],
    };
    let running = start(Wishes {
        tag_rules: TagRules(vec![rule]),
        ..Wishes::default()
    })
    .await;
    let mut client = running.client().await;
    register(&mut client, instance("web", "base", &[]), Status::Passing).await;
    register(
        &mut client,
        instance("web", "john", &["debug-john"]),
        Status::Passing,
    )
    .await;
    let request = v1::WatchRequest {
        service: "web".to_owned(),
        ..v1::WatchRequest::default()
    };
    let mut messages = client.watch(request).await.unwrap().into_inner();
    let snapshot = messages.message().await.unwrap().unwrap();
    assert_eq!(
        (snapshot.kind(), ids(&snapshot.instances)),
        (Kind::Snapshot, vec!["base"])
    );
    // It comes to be hidden, and is there again.
    for (tags, shown, gone) in [
        (&["debug-john"][..], vec![], vec!["base"]),
        (&["blue"], vec!["base"], vec![]),
    ] {
        let request = v1::SetTagsRequest {
            id: Some(id("base")),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        };
        client.set_tags(request).await.unwrap();
        let delta = messages.message().await.unwrap().unwrap();
        let removed: Vec<&str> = delta.removed.iter().map(|id| id.id.as_str()).collect();
        assert_eq!((ids(&delta.instances), removed), (shown, gone));
    }
    running.stop().await;
}
