//! Keys of the registry as a source of documents.

use config::{ConsulSettings, ConsulSource, Happened, Keys, roles::Policy};
use registry::consul::Settings;
use serde_json::json;

use crate::node::{Answering, Folder, Watching, client};

fn source(registry: &Answering, keys: &str) -> ConsulSource {
    let keys = Keys::of(keys).unwrap();
    ConsulSource::new(ConsulSettings::new(&registry.url(""), keys)).unwrap()
}

async fn put(registry: &Answering, key: &str, value: &str) {
    let url = registry.url(&format!("/v1/kv/{key}"));
    let put = client().put(url).body(value.to_owned()).send().await;
    assert_eq!(put.unwrap().status(), 200);
}

#[tokio::test]
async fn keys_are_followed_through_a_restart_of_their_registry() {
    let (theirs, ours) = (Folder::new(), Folder::new());
    let any = "127.0.0.1:0".parse().unwrap();
    let registry = Answering::with(&theirs, Settings::default(), any).await;
    put(
        &registry,
        "app/base.toml",
        "[server]\nport = 1\nname = \"a\"\n",
    )
    .await;
    let mut node = Watching::start(&ours);
    let _handle = node.source(source(&registry, "app/")).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    put(&registry, "app/server/port", "2").await;
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.in_force(), json!({"server": {"port": 2, "name": "a"}}));
    // What is not below it wakes nobody.
    put(&registry, "apple", "3").await;

    let address = registry.address;
    registry.end().await;
    assert!(matches!(node.next().await, Happened::SourceLost { .. }));
    let registry = Answering::with(&theirs, Settings::default(), address).await;
    put(&registry, "app/server/port", "4").await;
    assert!(matches!(node.next().await, Happened::SourceBack { .. }));
    // The answer that brought it back may have come before the change.
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
    assert_eq!(node.in_force(), json!({"server": {"port": 4, "name": "a"}}));

    let url = registry.url("/v1/kv/app/?recurse");
    client().delete(url).send().await.unwrap();
    let Happened::SourceLost { reason, .. } = node.next().await else {
        panic!("the source was not lost");
    };
    assert_eq!(reason, "is gone");
    assert_eq!(node.in_force(), json!({"server": {"port": 4, "name": "a"}}));
}

#[tokio::test]
async fn a_node_reads_the_documents_of_another() {
    let (theirs, ours) = (Folder::new(), Folder::new());
    let (there, mut here) = (Watching::start(&theirs), Watching::start(&ours));
    let file = theirs.write("app.yaml", "port: 1\n");
    let _there = there.file(&file).await;
    let registry = Answering::documents(&theirs, there.watcher.documents(), Policy::open()).await;
    let _here = here
        .source(source(&registry, "golens/config/dev/app.json"))
        .await;
    assert_eq!(here.next().await, Happened::Applied { generation: 1 });
    theirs.write("app.yaml", "port: 2\n");
    assert_eq!(here.next().await, Happened::Applied { generation: 2 });
    assert_eq!(here.in_force(), json!({"port": 2}));
}
