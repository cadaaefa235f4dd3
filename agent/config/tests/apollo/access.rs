//! Who may read: access keys, roles, and what the audit log says of it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use config::{
    DocumentId, Secret,
    apollo::{AccessKey, AccessKeys, Key, Release, Setting, sign},
    roles::{Binding, Policy},
};
use serde_json::Value;

use crate::node::{Node, get, release};

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn signed(app: &str, key: &str, path: &str, skew_ms: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap() + skew_ms;
    let signature = sign(&secret(key), &now.to_string(), path);
    format!("Authorization: Apollo {app}:{signature}\r\nTimestamp: {now}\r\n")
}

#[tokio::test]
async fn an_application_with_a_key_signs_its_requests() {
    let node = Node::start().await;
    node.publish("application", release("r1", &[("a", "1")]))
        .await;
    let mut keys = AccessKeys::default();
    for key in ["old key", "new key"] {
        let secret = secret(key);
        keys.add(
            "shop",
            AccessKey {
                secret,
                enforced: true,
            },
        );
    }
    node.server.set_keys(keys);
    let path = "/configs/shop/default/application?ip=10.0.0.1&label=a%20b";
    let other = "/configs/shop/default/other";
    for (headers, status, said) in [
        (String::new(), 401, "RequestTimeTooSkewed"),
        (signed("shop", "old key", path, 0), 200, "r1"),
        (signed("shop", "new key", path, 0), 200, "r1"),
        (
            signed("shop", "new key", path, -61_000),
            401,
            "RequestTimeTooSkewed",
        ),
        (signed("shop", "another", path, 0), 401, "Unauthorized"),
        (signed("shop", "new key", other, 0), 401, "Unauthorized"),
        (signed("other", "new key", path, 0), 401, "Unauthorized"),
    ] {
        let answer = get(node.address, path, &headers).await;
        assert_eq!(answer.0, status, "{headers} {answer:?}");
        assert!(answer.1.contains(said), "{headers} {answer:?}");
    }
    assert_eq!(node.get("/configs/other/default/application").await.0, 404);
    assert_eq!(node.get("/services/config").await.0, 200);
}

#[tokio::test]
async fn a_key_that_is_only_observed_refuses_nobody() {
    let node = Node::start().await;
    node.publish("application", release("r1", &[("a", "1")]))
        .await;
    let mut keys = AccessKeys::default();
    let secret = secret("key");
    keys.add(
        "shop",
        AccessKey {
            secret,
            enforced: false,
        },
    );
    node.server.set_keys(keys);
    assert_eq!(node.get("/configs/shop/default/application").await.0, 200);
}

/// A release with an opened secret can only be that of a document, and never reaches the disk.
#[tokio::test]
async fn opened_secrets_are_not_written_to_disk() {
    let node = Node::start().await;
    let mut with_secret = release("r1", &[]);
    let hidden = Setting::Secret(secret("hunter2"));
    with_secret.settings.insert("password".to_owned(), hidden);
    let key = Key::new("shop", "default", "application").unwrap();
    let refused = node.board.publish(key, with_secret).await.unwrap_err();
    assert!(refused.to_string().contains("opened secrets"), "{refused}");
    assert_eq!(node.get("/configs/shop/default/application").await.0, 404);
}

fn bound(roles: &[(&str, &str)]) -> Policy {
    let binding = |(who, role): &(&str, &str)| Binding {
        who: (*who).to_owned(),
        role: (*role).to_owned(),
    };
    Policy {
        bindings: roles.iter().map(binding).collect(),
        ..Policy::default()
    }
}

/// Publishes a document's release with a secret and tells what a caller without proofs gets.
async fn read_as(roles: &[(&str, &str)]) -> (u16, String, Vec<state::audit::Entry>) {
    let node = Node::with(bound(roles), Duration::from_secs(1)).await;
    let release = Release {
        document: Some(DocumentId::new("prod-shop", "app").unwrap()),
        settings: [
            ("host".to_owned(), Setting::Text("db".to_owned())),
            ("password".to_owned(), Setting::Secret(secret("hunter2"))),
        ]
        .into(),
        ..release("g1-r1", &[])
    };
    let key = Key::new("shop", "default", "application").unwrap();
    node.board
        .show_release(key, Arc::new(release), state::Revision(7));
    let (status, body) = node.get("/configs/shop/default/application").await;
    let log = state::audit::latest(&node.store.read().unwrap(), 10).unwrap();
    (status, body, log)
}

#[tokio::test]
async fn secrets_of_documents_are_for_those_whose_role_says_so() {
    let (status, body, log) = read_as(&[("*", "ops")]).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["configurations"]["password"]),
        (200, &"hunter2".into())
    );
    assert_eq!(log.last().unwrap().action, "config.reveal");

    let (status, body, log) = read_as(&[("*", "auditor")]).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["configurations"]["password"]),
        (200, &"***".into())
    );
    assert_eq!(body["configurations"]["host"], "db");
    assert!(log.is_empty(), "{log:?}");

    for roles in [&[("*", "dev")][..], &[("token:x", "ops")], &[]] {
        let (status, body, log) = read_as(roles).await;
        let rule = if roles == [("*", "dev")] {
            "dev.read"
        } else {
            "no_role"
        };
        assert_eq!((status, body), (403, format!("denied by rule {rule}")));
        let entry = log.last().unwrap();
        let noted = (&*entry.action, &*entry.target, &*entry.outcome);
        let outcome = format!("denied by {rule}");
        assert_eq!(noted, ("config.read", "prod-shop/app", &*outcome));
        assert!(entry.actor.starts_with("tcp 127.0.0.1"), "{entry:?}");
    }
}
