//! Documents from keys in a store with Consul's API.

use config::{ConsulSettings, ConsulSource, Happened, Keys, Secret};
use serde_json::json;

use crate::{
    consul::Consul,
    definition, lost,
    support::{Folder, Node},
};

fn settings(consul: &Consul, keys: &str) -> ConsulSettings {
    let address = format!("http://{}", consul.address);
    ConsulSettings::new(&address, Keys::of(keys).unwrap())
}

fn source(consul: &Consul, keys: &str) -> ConsulSource {
    ConsulSource::new(settings(consul, keys)).unwrap()
}

#[tokio::test]
async fn keys_of_a_folder_are_read_and_waited_for() {
    let consul = Consul::start(7, &[("app/", ""), ("app/port", "80"), ("app/a b", "x")]).await;
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = source(&consul, "app/");
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    assert_eq!(node.document(), json!({"port": 80, "a b": "x"}));
    consul.say(9, &[("app/port", "81")]);
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 81}));

    let asked = consul.was_asked(3).await;
    let paths: Vec<_> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(
        paths[..3],
        [
            "/v1/kv/app/?recurse=true",
            "/v1/kv/app/?recurse=true&index=7&wait=300s",
            "/v1/kv/app/?recurse=true&index=9&wait=300s",
        ]
    );
}

#[tokio::test]
async fn names_token_and_data_centre_are_sent_as_consul_wants_them() {
    let consul = Consul::start(1, &[("ä b/c+d.json", r#"{"a": 1}"#)]).await;
    let mut settings = settings(&consul, "ä b/c+d.json");
    settings.token = Some(Secret::new("sesame".to_owned()));
    settings.data_center = "west".to_owned();
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = ConsulSource::new(settings).unwrap();
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    assert_eq!(node.document(), json!({"a": 1}));
    let asked = consul.was_asked(1).await;
    assert_eq!(asked[0].path, "/v1/kv/%C3%A4%20b/c%2Bd.json?dc=west");
    assert_eq!(asked[0].token.as_deref(), Some("sesame"));
}

#[tokio::test]
async fn an_index_that_goes_back_is_not_waited_for() {
    let consul = Consul::start(100, &[("app/port", "1")]).await;
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = source(&consul, "app/");
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    consul.was_asked(2).await;
    // A server that lost its state, and then counts up again from there.
    consul.say(3, &[("app/port", "2")]);
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 2}));
    let asked = consul.was_asked(4).await;
    assert_eq!(asked[2].path, "/v1/kv/app/?recurse=true");
    assert_eq!(asked[3].path, "/v1/kv/app/?recurse=true&index=3&wait=300s");
    consul.say(4, &[("app/port", "3")]);
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
}

#[tokio::test]
async fn an_index_of_nothing_is_asked_for_now_and_then() {
    let consul = Consul::start(0, &[("app/port", "1")]).await;
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = source(&consul, "app/");
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    consul.say(0, &[("app/port", "2")]);
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    let asked = consul.was_asked(3).await;
    assert!(asked.iter().all(|asked| !asked.path.contains("index")));
    // Never at the rate at which answers come: the pauses grow.
    assert!(asked.len() < 10, "{}", asked.len());
}

#[tokio::test]
async fn errors_keep_what_is_in_force_and_the_next_answer_is_asked_for_at_once() {
    let consul = Consul::start(5, &[("app/port", "1")]).await;
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = source(&consul, "app/");
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    consul.was_asked(2).await;
    consul.fail(500);
    assert_eq!(
        lost(node.next().await),
        "500 Internal Server Error: rpc error: No cluster leader"
    );
    assert_eq!(
        (node.generation(), node.document()),
        (1, json!({"port": 1}))
    );
    // The change that was made meanwhile has an index that was never seen.
    consul.say(8, &[("app/port", "2")]);
    assert!(matches!(node.next().await, Happened::SourceBack { .. }));
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    node.nothing_else();

    // Keys that are all gone are a source that is gone.
    consul.say(9, &[]);
    assert_eq!(lost(node.next().await), "is gone");
    assert_eq!(node.document(), json!({"port": 2}));
}

#[tokio::test]
async fn who_is_not_consul_is_not_believed_that_nothing_is_there() {
    let consul = Consul::start(5, &[("app/port", "1")]).await;
    let folder = Folder::new();
    let mut node = Node::start(&folder);
    let source = source(&consul, "app/");
    let _handle = node.watcher.watch(definition(source)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    consul.was_asked(2).await;
    consul.fail(404);
    let reason = lost(node.next().await);
    assert!(reason.contains("no X-Consul-Index"), "{reason}");
    assert_eq!(node.document(), json!({"port": 1}));
}
