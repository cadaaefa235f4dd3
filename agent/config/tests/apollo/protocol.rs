//! What the server answers.

use std::{sync::Arc, time::Duration};

use config::{
    apollo::{Gray, Key},
    roles::Policy,
};
use serde_json::{Value, json};

use crate::node::{Node, release};

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

fn poll(app: &str, known: &Value) -> String {
    let known = known.to_string();
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("appId", app)
        .append_pair("cluster", "default")
        .append_pair("notifications", &known)
        .finish();
    format!("/notifications/v2?{query}")
}

#[tokio::test]
async fn a_release_is_read_until_it_is_known() {
    let node = Node::start().await;
    node.publish("application", release("r1", &[("a", "1"), ("b c", "x=y")]))
        .await;
    let (status, body) = node
        .get("/configs/shop/default/Application.properties")
        .await;
    assert_eq!(status, 200);
    let expected = json!({
        "appId": "shop",
        "cluster": "default",
        "namespaceName": "Application.properties",
        "configurations": {"a": "1", "b c": "x=y"},
        "releaseKey": "r1",
    });
    assert_eq!(parsed(&body), expected);
    let known = node
        .get("/configs/shop/default/application?releaseKey=r1")
        .await;
    assert_eq!(known, (304, String::new()));
    let json = node.get("/configfiles/json/shop/default/application").await;
    assert_eq!(parsed(&json.1), json!({"a": "1", "b c": "x=y"}));
    let text = node.get("/configfiles/shop/default/application").await;
    assert_eq!(text, (200, "a=1\nb\\ c=x\\=y\n".to_owned()));
    for missing in [
        "/configs/shop/default/other",
        "/configfiles/json/other/default/application",
        "/configs/shop",
        "/",
    ] {
        assert_eq!(node.get(missing).await.0, 404, "{missing}");
    }
}

#[tokio::test]
async fn a_namespace_that_is_a_file_is_its_content() {
    let node = Node::start().await;
    node.publish("app.yaml", release("r1", &[("content", "a: 1\n")]))
        .await;
    let json = node.get("/configfiles/json/shop/default/app.yaml").await.1;
    assert_eq!(parsed(&json), json!({"content": "a: 1\n"}));
    let raw = node.get("/configfiles/raw/shop/default/app.yaml").await;
    assert_eq!(raw, (200, "a: 1\n".to_owned()));
}

#[tokio::test]
async fn clusters_fall_back_and_public_namespaces_are_laid_under() {
    let node = Node::start().await;
    let publish = |app: &str, cluster: &str, namespace: &str, key: &str, value: &str, is_public| {
        let key_of = Key::new(app, cluster, namespace).unwrap();
        let mut release = release(key, &[("who", value), (key, "here")]);
        release.is_public = is_public;
        let board = Arc::clone(&node.board);
        async move { board.publish(key_of, release).await.unwrap() }
    };
    publish("shop", "default", "application", "d", "default", false).await;
    publish("shop", "east", "application", "e", "east", false).await;
    publish("infra", "default", "common", "p", "public", true).await;
    let who = async |path: &str| {
        let body = parsed(&node.get(path).await.1);
        let field = |name: &str| body[name].as_str().unwrap().to_owned();
        (
            field("cluster"),
            field("releaseKey"),
            body["configurations"].clone(),
        )
    };
    let east = who("/configs/shop/east/application").await;
    assert_eq!((&*east.0, &*east.1), ("east", "e"));
    let west = who("/configs/shop/west/application").await;
    assert_eq!((&*west.0, &*west.1), ("default", "d"));
    let center = who("/configs/shop/west/application?dataCenter=east").await;
    assert_eq!((&*center.0, &*center.1), ("east", "e"));
    // Not the application's own, so the public one; then both, the own one above.
    assert_eq!(who("/configs/shop/default/common").await.1, "p");
    publish("shop", "default", "common", "o", "own", false).await;
    let both = who("/configs/shop/default/common").await;
    assert_eq!(both.1, "o+p");
    assert_eq!(both.2, json!({"who": "own", "o": "here", "p": "here"}));
}

#[tokio::test]
async fn a_gray_release_is_for_whom_it_is_meant() {
    let node = Node::start().await;
    let mut main = release("main", &[("a", "1")]);
    main.gray = vec![Gray {
        release_key: "gray".to_owned(),
        ips: vec!["10.0.0.7".to_owned()],
        labels: vec!["canary".to_owned()],
        configurations: [("a".to_owned(), "2".to_owned())].into(),
    }];
    node.publish("application", main).await;
    for (query, key) in [
        ("", "main"),
        ("?ip=10.0.0.7", "gray"),
        ("?ip=10.0.0.70", "main"),
        ("?ip=10.0.0.8&label=canary", "gray"),
        ("?label=canar", "main"),
    ] {
        let body = node
            .get(&format!("/configs/shop/default/application{query}"))
            .await
            .1;
        assert_eq!(parsed(&body)["releaseKey"], key, "{query}");
    }
}

#[tokio::test]
async fn a_poll_hears_of_a_release_that_can_be_read_by_then() {
    let node = Arc::new(Node::start().await);
    let first = json!([{"namespaceName": "application", "notificationId": -1}]);
    let waiting = tokio::spawn({
        let (node, path) = (Arc::clone(&node), poll("shop", &first));
        async move {
            let answer = node.get(&path).await;
            (answer, node.get("/configs/shop/default/application").await)
        }
    });
    // It hangs, for there is no release; once it does, there is one name that somebody waits for.
    let hangs = async {
        while node.board.awaited() == 0 {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(Duration::from_secs(20), hangs)
        .await
        .unwrap();
    node.publish("application", release("r1", &[("a", "1")]))
        .await;
    let ((status, body), read) = waiting.await.unwrap();
    assert_eq!(status, 200);
    let news = parsed(&body);
    let id = news[0]["notificationId"].as_u64().unwrap();
    let expected = json!([{
        "namespaceName": "application",
        "notificationId": id,
        "messages": {"details": {"shop+default+application": id}},
    }]);
    assert_eq!(news, expected);
    assert_eq!(parsed(&read.1)["releaseKey"], "r1");

    // What is published again as it is makes no news: clients would ask for ever for what they have.
    node.publish("application", release("r1", &[("a", "1")]))
        .await;
    node.publish("application", release("r2", &[("a", "2")]))
        .await;
    let known = json!([{"namespaceName": "Application.properties", "notificationId": id}]);
    let next = parsed(&node.get(&poll("shop", &known)).await.1);
    assert_eq!(next[0]["namespaceName"], "Application.properties");
    assert_eq!(next[0]["notificationId"].as_u64().unwrap(), id + 1);
}

#[tokio::test]
async fn a_poll_without_news_ends_unchanged_and_leaves_nothing() {
    let node = Node::with(Policy::open(), Duration::from_millis(50)).await;
    node.publish("application", release("r1", &[("a", "1")]))
        .await;
    let any = json!([{"namespaceName": "application", "notificationId": -1}]);
    let news = parsed(&node.get(&poll("shop", &any)).await.1);
    let known = json!([
        {"namespaceName": "application", "notificationId": news[0]["notificationId"]},
        {"namespaceName": "missing", "notificationId": -1},
    ]);
    assert_eq!(node.get(&poll("shop", &known)).await, (304, String::new()));
    assert_eq!(node.board.awaited(), 0);
}

#[tokio::test]
async fn what_is_no_poll_is_refused() {
    let node = Node::start().await;
    for known in ["", "x", "[]", "{}", "[{}]"] {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("appId", "shop")
            .append_pair("notifications", known)
            .finish();
        let answer = node.get(&format!("/notifications/v2?{query}")).await;
        assert_eq!(answer.0, 400, "{known}");
    }
    let nobody = json!([{"namespaceName": "application"}]);
    assert_eq!(node.get(&poll("", &nobody)).await.0, 400);
}

#[tokio::test]
async fn the_server_names_itself() {
    let node = Node::start().await;
    let (status, body) = node.get("/services/config?appId=shop&ip=10.0.0.1").await;
    assert_eq!(status, 200);
    let services = parsed(&body);
    assert_eq!(services[0]["appName"], "APOLLO-CONFIGSERVICE");
    assert_eq!(
        services[0]["homepageUrl"],
        format!("http://{}/", node.address)
    );
}
