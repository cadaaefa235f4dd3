//! The source that reads an upstream Apollo. Upstream is our own server, which unmodified clients of Apollo
//! read from as well (`long_agollo`), so it stands in for one.

use std::{sync::Arc, time::Duration};

use config::{
    Reading, Secret, Source,
    apollo::{AccessKey, AccessKeys, ApolloSettings, ApolloSource, Gray},
};

use crate::node::{Node, release};

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

#[tokio::test]
async fn a_namespace_is_read_with_signature_and_label() {
    let upstream = Node::start().await;
    let mut keys = AccessKeys::default();
    let secret = Secret::new("key".to_owned());
    keys.add(
        "shop",
        AccessKey {
            secret: secret.clone(),
            enforced: true,
        },
    );
    upstream.server.set_keys(keys);
    let mut main = release("main", &[("db.port", "1"), ("name", "x")]);
    main.gray = vec![Gray {
        release_key: "gray".to_owned(),
        ips: Vec::new(),
        labels: vec!["canary".to_owned()],
        configurations: [("db.port".to_owned(), "2".to_owned())].into(),
    }];
    upstream.publish("application", main).await;
    upstream
        .publish("app.yaml", release("y", &[("content", "a: 1")]))
        .await;

    let mut settings = ApolloSettings::new(&upstream.url(), "shop", "application");
    let unsigned = ApolloSource::new(settings.clone(), None).unwrap();
    let refused = unsigned.read().await.unwrap_err();
    assert!(refused.reason.starts_with("401"), "{refused}");

    settings.secret = Some(secret);
    let read = async |settings: &ApolloSettings| {
        let source = ApolloSource::new(settings.clone(), None).unwrap();
        let first = source.read().await.unwrap();
        // The second answer is 304, and the reading is the same.
        assert_eq!(source.read().await.unwrap(), first);
        first
    };
    let part = |at: &str, text: &str| (at.to_owned(), text.to_owned());
    let (version, parts) = present(&read(&settings).await);
    assert_eq!(version, "main");
    assert_eq!(parts, [part("db/port", "1"), part("name", "x")]);
    settings.label = "canary".to_owned();
    assert_eq!(present(&read(&settings).await).0, "gray");
    settings.namespace = "app.yaml".to_owned();
    assert_eq!(present(&read(&settings).await).1, [part("", "a: 1")]);
    settings.namespace = "missing".to_owned();
    let missing = ApolloSource::new(settings, None).unwrap();
    assert_eq!(missing.read().await.unwrap(), Reading::Absent);
}

#[tokio::test]
async fn the_node_follows_upstream_and_serves_on_without_it() {
    let upstream = Node::start().await;
    let node = Node::start().await;
    upstream
        .publish("application", release("r1", &[("a", "1")]))
        .await;
    let settings = ApolloSettings::new(&upstream.url(), "shop", "application");
    let source = ApolloSource::new(settings, Some(Arc::clone(&node.board))).unwrap();
    let following = tokio::spawn(async move { source.mirror().await });
    let until = async |expected: &str| {
        let reads = async {
            while !node
                .get("/configs/shop/default/application")
                .await
                .1
                .contains(expected)
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reads)
            .await
            .unwrap();
    };
    until(r#""releaseKey":"r1""#).await;
    upstream
        .publish("application", release("r2", &[("a", "2")]))
        .await;
    until(r#""releaseKey":"r2""#).await;

    let gone = upstream.address;
    drop(upstream);
    let refused = async { while tokio::net::TcpStream::connect(gone).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), refused)
        .await
        .unwrap();
    until(r#""a":"2""#).await;
    following.abort();

    // And it is on disk: a board that is opened anew has it.
    let again = config::apollo::Board::open(Arc::clone(&node.store)).unwrap();
    assert!(format!("{again:?}").contains("application"));
}
