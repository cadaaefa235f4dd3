//! Documents as keys: names, rights, indexes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use config::{
    Access, Definition, Denied, DocumentId, FixedSource, Format, Handle, Right,
    serve::keys::{Asked, Keys},
};
use state::Revision;

use crate::support::{Folder, Node, running};

/// Everybody may see namespaces that begin as their name does.
struct ByNamespace;

impl Access<str> for ByNamespace {
    fn check(&self, caller: &str, _: Right, document: &DocumentId) -> Result<(), Denied> {
        match document.namespace().starts_with(caller) {
            true => Ok(()),
            false => Err(Denied {
                rule: "other".to_owned(),
            }),
        }
    }
}

async fn fixed(node: &Node, namespace: &str, name: &str) -> Handle {
    let source = FixedSource::defaults("built in", Format::Json, r#"{"a": 1}"#);
    let id = DocumentId::new(namespace, name).expect("a name");
    let definition = Definition::new(id, vec![Arc::new(source)]);
    node.watcher.watch(definition).await
}

fn keys(node: &Node) -> Keys<str> {
    let documents = Arc::clone(node.watcher.documents());
    Keys::new("golens/config/", documents, Arc::new(ByNamespace))
}

fn names(keys: &Keys<str>, caller: &str, asked: Asked<'_>) -> Vec<String> {
    let found = keys.find(caller, asked).expect("allowed");
    found.into_iter().map(|found| found.key).collect()
}

#[tokio::test]
async fn documents_are_found_by_key_and_by_beginning() {
    let folder = Folder::new();
    let node = Node::start(&folder);
    let _handles = [
        fixed(&node, "dev", "app").await,
        fixed(&node, "dev", "app.json").await,
        fixed(&node, "dev", "apple").await,
        fixed(&node, "prod", "app").await,
    ];
    let keys = keys(&node);
    let of = |asked| names(&keys, "", asked);
    assert_eq!(
        of(Asked::Prefix("golens/config/")),
        [
            "golens/config/dev/app.json",
            "golens/config/dev/app.json.json",
            "golens/config/dev/apple.json",
            "golens/config/prod/app.json",
        ]
    );
    let begins = [
        ("golens/config/dev/app.", 2),
        ("golens/config/dev/app.js", 2),
        ("golens/config/dev/app.json", 2),
        ("golens/config/dev/app.json.", 1),
        ("golens/config/dev/app", 3),
        ("golens/config/d", 3),
        ("golens/config/prod/app.jsonx", 0),
        ("golens/other", 0),
    ];
    for (prefix, count) in begins {
        assert_eq!(of(Asked::Prefix(prefix)).len(), count, "{prefix}");
    }
    let one = keys.find("", Asked::Key("golens/config/prod/app.json"));
    let one = one.expect("allowed");
    assert_eq!(one[0].json, r#"{"a":1}"#);
    for key in ["golens/config/prod/app", "golens/config/app.json", "other"] {
        assert_eq!(of(Asked::Key(key)), [""; 0], "{key}");
    }
}

#[tokio::test]
async fn what_is_not_for_the_caller_is_refused_or_left_out() {
    let folder = Folder::new();
    let node = Node::start(&folder);
    let _handles = [
        fixed(&node, "dev", "app").await,
        fixed(&node, "prod", "app").await,
    ];
    let keys = keys(&node);
    assert_eq!(
        names(&keys, "dev", Asked::Prefix("golens/config/")),
        ["golens/config/dev/app.json"]
    );
    let refused = keys.find("dev", Asked::Key("golens/config/prod/app.json"));
    assert_eq!(refused.expect_err("refused").rule, "other");
    // Whether it is there is not told either.
    let refused = keys.find("dev", Asked::Key("golens/config/prod/nothing.json"));
    assert_eq!(refused.expect_err("refused").rule, "other");
}

#[tokio::test]
async fn an_index_moves_with_its_documents_and_no_others() {
    let folder = Folder::new();
    let (node, _handle, _file) = running(&folder).await;
    let keys = keys(&node);
    let (one, below) = (
        Asked::Key("golens/config/dev/app.json"),
        Asked::Prefix("golens/config/dev/app.js"),
    );
    let before = keys.index(one);
    assert_eq!(keys.index(below), before);
    assert_eq!(
        keys.index(Asked::Key("golens/config/dev/no.json")),
        Revision::FIRST
    );

    let elsewhere = fixed(&node, "prod", "app").await;
    assert_eq!((keys.index(one), keys.index(below)), (before, before));
    assert!(keys.index(Asked::Prefix("golens/config/")) > before);
    let soon = Instant::now() + Duration::from_millis(20);
    keys.wait(one, before, soon).await;
    assert!(Instant::now() >= soon);

    folder.write("app.yaml", "port: 2\n");
    for asked in [one, below] {
        let deadline = Instant::now() + Duration::from_secs(20);
        keys.wait(asked, before, deadline).await;
        assert!(keys.index(asked) > before);
        let found = keys.find("dev", asked).expect("allowed");
        assert_eq!(found[0].json, r#"{"port":2}"#);
    }
    elsewhere.close().await;
}

#[tokio::test]
async fn who_waits_while_the_node_starts_gets_what_it_had() {
    let folder = Folder::new();
    let (node, handle, file) = running(&folder).await;
    handle.close().await;
    drop(node);
    let node = Node::start(&folder);
    let keys = keys(&node);
    let asked = Asked::Key("golens/config/dev/app.json");
    assert_eq!(keys.index(asked), Revision::FIRST);
    let deadline = Instant::now() + Duration::from_secs(20);
    let waits = keys.wait(asked, Revision::FIRST, deadline);
    let starts = node.watcher.watch(crate::support::definition(&file));
    let ((), _handle) = tokio::join!(waits, starts);
    assert!(Instant::now() < deadline);
    assert_eq!(keys.find("dev", asked).expect("allowed").len(), 1);
}
