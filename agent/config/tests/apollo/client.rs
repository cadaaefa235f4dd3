//! The source that reads an upstream Apollo, against a small one that follows the protocol.

use std::{sync::Arc, time::Duration};

use config::{
    Definition, DocumentId, Happened, Hooks, Reading, Reveal, Secret, Source, SourceId, Watcher,
    apollo::{ApolloSettings, ApolloSource},
};
use serde_json::json;

use crate::{
    node::Node,
    upstream::{Asked, Upstream, signature},
};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Version and parts of what was read.
fn present(reading: &Reading) -> (String, Vec<(String, String)>) {
    let Reading::Present(content) = reading else {
        panic!("nothing was read");
    };
    let parts = content.parts.iter().map(|part| {
        let text = String::from_utf8(part.bytes.to_vec()).unwrap();
        (part.at.join("/"), text)
    });
    (content.version.0.clone(), parts.collect())
}

fn part(at: &str, text: &str) -> (String, String) {
    (at.to_owned(), text.to_owned())
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let reads = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let done = tokio::time::timeout(PATIENCE, reads).await;
    done.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// The vector of agollo's own test.
#[test]
fn the_stand_in_signs_as_apollo_does() {
    let signed = signature(
        "6ce3ff7e96a24335a9634fe9abca6d51",
        "http://baidu.com/a/b?key=1",
    );
    assert_eq!(signed, "mcS95GXa7CpCjIfrbxgjKr0lRu8=");
}

#[tokio::test]
async fn a_release_is_read_once_and_known_by_its_key() {
    let upstream = Upstream::start().await;
    let entries = [("db.port", "1"), ("name", "x")];
    upstream.release("application", "r1", &entries);
    upstream.release("app.yaml", "y1", &[("content", "a: 1")]);
    let settings = ApolloSettings::new(&upstream.url(), "shop", "application");
    let source = ApolloSource::new(settings.clone(), None).unwrap();
    let first = source.read().await.unwrap();
    let expected = vec![part("db/port", "1"), part("name", "x")];
    assert_eq!(present(&first), ("r1".to_owned(), expected));
    assert_eq!(source.read().await.unwrap(), first);
    let asked = upstream.asked();
    let told: Vec<_> = asked
        .iter()
        .map(|it| (it.query["releaseKey"].as_str(), it.status))
        .collect();
    assert_eq!(told, [("", 200), ("r1", 304)]);

    let of = |namespace: &str| ApolloSettings {
        namespace: namespace.to_owned(),
        ..settings.clone()
    };
    let file = ApolloSource::new(of("app.yaml"), None).unwrap();
    assert_eq!(present(&file.read().await.unwrap()).1, [part("", "a: 1")]);
    let missing = ApolloSource::new(of("missing"), None).unwrap();
    assert_eq!(missing.read().await.unwrap(), Reading::Absent);
    assert_eq!(upstream.asked().last().unwrap().status, 404);
}

#[tokio::test]
async fn a_gray_release_is_for_those_with_its_label() {
    let upstream = Upstream::start().await;
    upstream.release("application", "main", &[("a", "1")]);
    upstream.gray("application", "canary", "gray", &[("a", "2")]);
    let mut settings = ApolloSettings::new(&upstream.url(), "shop", "application");
    for (label, key, value) in [("", "main", "1"), ("canary", "gray", "2")] {
        label.clone_into(&mut settings.label);
        let source = ApolloSource::new(settings.clone(), None).unwrap();
        let read = present(&source.read().await.unwrap());
        assert_eq!(read, (key.to_owned(), vec![part("a", value)]));
    }
}

/// Names that are encoded on their way are signed as they are sent.
#[tokio::test]
async fn requests_are_signed_with_the_access_key() {
    let upstream = Upstream::start().await;
    upstream.sign_with("6ce3ff7e96a24335a9634fe9abca6d51");
    upstream.release("team a.yaml", "r1", &[("content", "a: 1")]);
    let mut settings = ApolloSettings::new(&upstream.url(), "shop", "team a.yaml");
    settings.label = "north & south".to_owned();
    for wrong in [None, Some("guessed")] {
        settings.secret = wrong.map(|key| Secret::new(key.to_owned()));
        let source = ApolloSource::new(settings.clone(), None).unwrap();
        let refused = source.read().await.unwrap_err();
        assert!(refused.reason.starts_with("401"), "{refused}");
    }
    let key = "6ce3ff7e96a24335a9634fe9abca6d51".to_owned();
    settings.secret = Some(Secret::new(key));
    let source = ApolloSource::new(settings, None).unwrap();
    assert_eq!(present(&source.read().await.unwrap()).0, "r1");
}

/// Upstream is asked for a release when it tells of one, and not otherwise.
#[tokio::test]
async fn news_are_waited_for_and_not_polled() {
    let upstream = Upstream::start().await;
    upstream.release("application", "r1", &[("a", "1")]);
    let node = Node::start().await;
    let watcher = Watcher::new(Arc::clone(&node.store), Hooks::default());
    let settings = ApolloSettings::new(&upstream.url(), "shop", "application");
    let id = DocumentId::new("dev", "app").unwrap();
    let source = ApolloSource::new(settings, None).unwrap();
    let _handle = watcher
        .watch(Definition::new(id.clone(), vec![Arc::new(source)]))
        .await;
    let applied = |generation: u64| {
        let (watcher, id) = (watcher.clone(), id.clone());
        async move {
            until("a generation", async || {
                let document = watcher.documents().get(&id);
                document.is_some_and(|it| it.generation == generation)
            })
            .await;
            let document = watcher.documents().get(&id).unwrap();
            document.value.to_json(Reveal::Plain)
        }
    };
    assert_eq!(applied(1).await, json!({"a": 1}));
    let polls = || {
        let polled = |it: &Asked| it.what == "notifications" && it.status == 304;
        upstream.asked().iter().filter(|it| polled(it)).count()
    };
    until("two polls without news", async || polls() >= 2).await;
    upstream.release("application", "r2", &[("a", "2")]);
    assert_eq!(applied(2).await, json!({"a": 2}));
    let seen = polls();
    until("a poll without news", async || polls() > seen).await;

    let asked = upstream.asked();
    let releases = asked.iter().filter(|it| it.what == "configs");
    let releases: Vec<_> = releases
        .map(|it| (it.query["releaseKey"].as_str(), it.status))
        .collect();
    // At the start, then when each of both is told of.
    assert_eq!(releases, [("", 200), ("r1", 304), ("r1", 200)]);
    let last = asked.iter().rfind(|it| it.what == "notifications");
    let expected = json!([{"namespaceName": "application", "notificationId": 2}]);
    assert_eq!(last.unwrap().query["notifications"], expected.to_string());
}

#[tokio::test]
async fn the_node_serves_on_while_upstream_is_down() {
    let mut upstream = Upstream::start().await;
    upstream.release("application", "r1", &[("a", "1")]);
    let node = Node::start().await;
    let watcher = Watcher::new(Arc::clone(&node.store), Hooks::default());
    let settings = ApolloSettings::new(&upstream.url(), "shop", "application");
    let source = ApolloSource::new(settings, Some(Arc::clone(&node.board))).unwrap();
    let id = DocumentId::new("dev", "app").unwrap();
    let (sid, source): (SourceId, Arc<dyn Source>) = (source.id(), Arc::new(source));
    let _handle = watcher.watch(Definition::new(id, vec![source])).await;
    let serves = async |expected: &str| {
        until(expected, async || {
            let (status, body) = node.get("/configs/shop/default/application").await;
            status == 200 && body.contains(expected)
        })
        .await;
    };
    let told = async |expected: Happened| {
        until("an event", async || {
            let mut events = watcher.events().since(0).into_iter();
            events.any(|event| event.what == expected)
        })
        .await;
    };
    serves(r#""releaseKey":"r1""#).await;
    upstream.release("application", "r2", &[("a", "2")]);
    serves(r#""releaseKey":"r2""#).await;

    upstream.down().await;
    until("the loss of upstream", async || {
        let lost =
            |what: &Happened| matches!(what, Happened::SourceLost { source, .. } if *source == sid);
        let mut events = watcher.events().since(0).into_iter();
        events.any(|event| lost(&event.what))
    })
    .await;
    serves(r#""releaseKey":"r2""#).await;
    // It is on disk: a board that is opened anew has it.
    let again = config::apollo::Board::open(Arc::clone(&node.store)).unwrap();
    assert!(format!("{again:?}").contains("application"));

    upstream.release("application", "r3", &[("a", "3")]);
    upstream.up().await;
    told(Happened::SourceBack { source: sid }).await;
    serves(r#""releaseKey":"r3""#).await;
    // Withdrawn upstream, it is withdrawn here; the document keeps what it had.
    upstream.delete("application");
    until("the end of the namespace", async || {
        node.get("/configs/shop/default/application").await.0 == 404
    })
    .await;
}
