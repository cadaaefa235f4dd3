//! Documents as keys of the registry.

use config::{Happened, roles::Policy};
use reqwest::Response;
use serde_json::{Value as Json, json};

use crate::node::{Answering, Folder, Watching, client};

async fn get(registry: &Answering, path: &str) -> Response {
    let url = registry.url(path);
    client().get(url).send().await.unwrap()
}

fn index(response: &Response) -> u64 {
    let index = response.headers().get("x-consul-index").unwrap();
    index.to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_document_is_read_and_waited_for() {
    let folder = Folder::new();
    let mut node = Watching::start(&folder);
    let registry = Answering::documents(&folder, node.watcher.documents(), Policy::open()).await;
    let path = "/v1/kv/golens/config/dev/app.json";
    let missing = get(&registry, path).await;
    assert_eq!((missing.status().as_u16(), index(&missing)), (404, 2));

    let first = tokio::spawn(
        client()
            .get(registry.url(path))
            .query(&[("index", "2")])
            .send(),
    );
    node.is_waited_for().await;
    let file = folder.write("app.yaml", "server: {port: 1}\n");
    let _handle = node.file(&file).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    let first = first.await.unwrap().unwrap();
    let seen = index(&first);
    assert!(seen > 2);
    let rows: Json = serde_json::from_str(&first.text().await.unwrap()).unwrap();
    assert_eq!(rows[0]["Key"], "golens/config/dev/app.json");
    assert_eq!(rows[0]["Value"], "eyJzZXJ2ZXIiOnsicG9ydCI6MX19");
    assert_eq!(rows[0]["ModifyIndex"], seen);
    let raw = get(&registry, &format!("{path}?raw")).await;
    assert_eq!(raw.headers()["content-type"], "text/plain");
    assert_eq!(raw.text().await.unwrap(), r#"{"server":{"port":1}}"#);

    let waiting = registry.url(&format!("/v1/kv/golens/config/?recurse&index={seen}"));
    let waiting = tokio::spawn(client().get(waiting).send());
    node.is_waited_for().await;
    folder.write("app.yaml", "server: {port: 2}\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    let second = waiting.await.unwrap().unwrap();
    assert!(index(&second) > seen);
    let rows: Json = serde_json::from_str(&second.text().await.unwrap()).unwrap();
    assert_eq!(rows[0]["Value"], "eyJzZXJ2ZXIiOnsicG9ydCI6Mn19");

    // Who waits when the node ends is answered.
    let held = registry.url(&format!("{path}?index=1000000"));
    let held = tokio::spawn(client().get(held).send());
    node.is_waited_for().await;
    registry.end().await;
    assert!(
        held.await
            .unwrap()
            .is_ok_and(|answer| answer.status() == 200)
    );
}

#[tokio::test]
async fn keys_of_documents_can_only_be_read() {
    let folder = Folder::new();
    let node = Watching::start(&folder);
    let file = folder.write("app.yaml", "port: 1\n");
    let _handle = node.file(&file).await;
    let registry = Answering::documents(&folder, node.watcher.documents(), Policy::open()).await;
    let client = client();
    let path = registry.url("/v1/kv/golens/config/dev/app.json");
    let put = client.put(&path).body("{}").send().await.unwrap();
    assert_eq!(put.status(), 403);
    let words = put.text().await.unwrap();
    assert!(words.contains("can only be read"), "{words}");
    assert_eq!(client.delete(&path).send().await.unwrap().status(), 403);
    for verb in ["set", "delete", "get", "delete-tree"] {
        let operation =
            json!([{"KV": {"Verb": verb, "Key": "golens/config/dev/app.json", "Value": ""}}]);
        let url = registry.url("/v1/txn");
        let answer = client.put(url).body(operation.to_string()).send().await;
        assert_eq!(answer.unwrap().status(), 403, "{verb}");
    }

    // The keys beside them are the registry's own.
    let own = registry.url("/v1/kv/golens/other");
    assert_eq!(
        client.put(own).body("1").send().await.unwrap().status(),
        200
    );
    let names = |path: &str| {
        let path = path.to_owned();
        let registry = &registry;
        async move { get(registry, &path).await.text().await.unwrap() }
    };
    assert_eq!(names("/v1/kv/golens/?keys").await, r#"["golens/other"]"#);
    assert_eq!(
        names("/v1/kv/golens/config/?keys").await,
        r#"["golens/config/dev/app.json"]"#
    );
    assert_eq!(
        names("/v1/kv/golens/config/?keys&separator=/").await,
        r#"["golens/config/dev/"]"#
    );
    // Another namespace of the registry has none of them.
    let elsewhere = get(&registry, "/v1/kv/golens/config/dev/app.json?ns=other").await;
    assert_eq!(elsewhere.status(), 404);
}

#[tokio::test]
async fn who_has_no_role_gets_nothing() {
    let folder = Folder::new();
    let node = Watching::start(&folder);
    let file = folder.write("app.yaml", "port: 1\n");
    let _handle = node.file(&file).await;
    let nobody = Policy::default();
    let registry = Answering::documents(&folder, node.watcher.documents(), nobody).await;
    let one = get(&registry, "/v1/kv/golens/config/dev/app.json").await;
    assert_eq!(one.status(), 403);
    assert_eq!(one.text().await.unwrap(), "denied by rule no_role");
    let all = get(&registry, "/v1/kv/golens/config/?recurse").await;
    assert_eq!(all.status(), 404);
}
