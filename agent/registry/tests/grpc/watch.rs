//! Watch: snapshot, deltas, bookmarks, resync; slow clients.

use registry::{
    grpc::v1::{self, Kind},
    model::Status,
};
use tonic::Streaming;

use crate::server::{Client, Wishes, id, ids, instance, register, start};

async fn watch(client: &mut Client, from_revision: u64) -> Streaming<v1::WatchResponse> {
    let request = v1::WatchRequest {
        service: "web".to_owned(),
        from_revision,
        ..v1::WatchRequest::default()
    };
    client.watch(request).await.unwrap().into_inner()
}

async fn next(messages: &mut Streaming<v1::WatchResponse>) -> v1::WatchResponse {
    messages.message().await.unwrap().unwrap()
}

/// Kind, ids that came or changed, ids that are gone.
fn shape(message: &v1::WatchResponse) -> (Kind, Vec<&str>, Vec<&str>) {
    let removed = message.removed.iter().map(|id| id.id.as_str());
    (message.kind(), ids(&message.instances), removed.collect())
}

async fn deregister(client: &mut Client, name: &str) -> u64 {
    let request = v1::DeregisterRequest { id: Some(id(name)) };
    client
        .deregister(request)
        .await
        .unwrap()
        .into_inner()
        .revision
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_followed_by_what_changes() {
    let running = start(Wishes::default()).await;
    let mut client = running.client().await;
    let passing = v1::Status::Passing;
    let first = register(&mut client, instance("web", "1", &[]), passing).await;
    let mut messages = watch(&mut client, 0).await;
    let snapshot = next(&mut messages).await;
    assert_eq!(shape(&snapshot), (Kind::Snapshot, vec!["1"], vec![]));
    assert_eq!(snapshot.revision, first);

    let second = register(&mut client, instance("web", "2", &[]), passing).await;
    let delta = next(&mut messages).await;
    assert_eq!(shape(&delta), (Kind::Delta, vec!["2"], vec![]));
    assert_eq!(delta.revision, second);

    // Other services are nobody's business here; the next message is about a check.
    register(&mut client, instance("db", "3", &[]), passing).await;
    let key = running.registry.instance(&registry::model::InstanceKey {
        namespace: "default".into(),
        node: "node-1".into(),
        id: "1".into(),
    });
    let check = key.unwrap().check_key(&"service:1".into());
    let said = running
        .registry
        .set_check_status(&check, Status::Critical, "down");
    said.await.unwrap();
    let delta = next(&mut messages).await;
    assert_eq!(shape(&delta), (Kind::Delta, vec!["1"], vec![]));
    assert_eq!(delta.instances[0].health(), v1::Health::Critical);
    assert_eq!(delta.instances[0].checks[0].output, "down");

    let request = v1::SetTagsRequest {
        id: Some(id("2")),
        tags: vec!["blue".to_owned()],
    };
    client.set_tags(request).await.unwrap();
    let delta = next(&mut messages).await;
    assert_eq!(shape(&delta), (Kind::Delta, vec!["2"], vec![]));
    assert_eq!(delta.instances[0].tags, ["blue"]);

    let gone = deregister(&mut client, "1").await;
    let delta = next(&mut messages).await;
    assert_eq!(shape(&delta), (Kind::Delta, vec![], vec!["1"]));
    assert_eq!(delta.revision, gone);

    // The node changes, and all that is on it.
    let node = "node-1".into();
    let me = registry::Caller::internal();
    let reason = Some("disk".to_owned());
    let changed = running
        .registry
        .set_node_maintenance(&node, reason, &me)
        .await;
    let resync = next(&mut messages).await;
    assert_eq!(shape(&resync), (Kind::Resync, vec!["2"], vec![]));
    assert_eq!(resync.revision, changed.unwrap().revision.0);
    assert_eq!(resync.instances[0].health(), v1::Health::Maintenance);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_where_it_broke_off() {
    let running = start(Wishes::default()).await;
    let mut client = running.client().await;
    let passing = v1::Status::Passing;
    let first = register(&mut client, instance("web", "1", &[]), passing).await;
    register(&mut client, instance("web", "2", &[]), passing).await;
    let before = deregister(&mut client, "1").await;
    let last = register(&mut client, instance("web", "3", &[]), passing).await;

    let delta = next(&mut watch(&mut client, first).await).await;
    assert_eq!(shape(&delta), (Kind::Delta, vec!["2", "3"], vec!["1"]));
    let delta = next(&mut watch(&mut client, before).await).await;
    assert_eq!(shape(&delta), (Kind::Delta, vec!["3"], vec![]));
    let bookmark = next(&mut watch(&mut client, last).await).await;
    assert_eq!(shape(&bookmark), (Kind::Bookmark, vec![], vec![]));
    assert_eq!(bookmark.revision, last);
    // A revision that is not there yet is that of another registry.
    let resync = next(&mut watch(&mut client, last + 1_000_000).await).await;
    assert_eq!(shape(&resync), (Kind::Resync, vec!["2", "3"], vec![]));

    // After a restart the steps are not known, but what has not changed has not.
    let running = running.restart().await;
    let mut client = running.client().await;
    let resync = next(&mut watch(&mut client, first).await).await;
    assert_eq!(shape(&resync), (Kind::Resync, vec!["2", "3"], vec![]));
    assert_eq!(resync.revision, last);
    let bookmark = next(&mut watch(&mut client, last).await).await;
    assert_eq!(shape(&bookmark).0, Kind::Bookmark);
    running.stop().await;
}

/// Thousands of changes while the client looks elsewhere: it gets what is true now, in a few messages.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_gets_the_newest_state() {
    let running = start(Wishes::default()).await;
    let mut client = running.client().await;
    register(&mut client, instance("web", "1", &[]), v1::Status::Passing).await;
    let mut messages = watch(&mut client, 0).await;
    assert_eq!(next(&mut messages).await.kind(), Kind::Snapshot);
    let mut last = 0;
    for number in 0..2_000 {
        let tag = format!("{number:-<4096}");
        let request = v1::SetTagsRequest {
            id: Some(id("1")),
            tags: vec![tag],
        };
        last = client
            .set_tags(request)
            .await
            .unwrap()
            .into_inner()
            .revision;
    }
    let mut seen = 0;
    let mut count = 0;
    let newest = loop {
        let message = next(&mut messages).await;
        assert!(message.revision > seen);
        (seen, count) = (message.revision, count + 1);
        if seen == last {
            break message;
        }
    };
    assert_eq!(newest.instances[0].tags, [format!("{:-<4096}", 1_999)]);
    // What fits into HTTP/2's window of 64 KiB, not 2,000 messages of 4 KiB.
    assert!(count < 100, "{count}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_there_can_be_waited_for() {
    let running = start(Wishes::default()).await;
    let mut client = running.client().await;
    let mut messages = watch(&mut client, 0).await;
    let snapshot = next(&mut messages).await;
    assert_eq!(shape(&snapshot), (Kind::Snapshot, vec![], vec![]));
    register(&mut client, instance("web", "1", &[]), v1::Status::Passing).await;
    let message = next(&mut messages).await;
    assert_eq!(ids(&message.instances), ["1"]);
    assert!(message.revision > snapshot.revision);
    running.stop().await;
}
