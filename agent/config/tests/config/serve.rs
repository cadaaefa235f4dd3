//! Documents over HTTP: waiting, rights and answers.

use std::sync::{Arc, Mutex};

use crate::support::{Folder, Node, definition, running};
use config::{
    Access, Decrypt, DecryptError, Denied, DocumentId, Happened, Hooks, NoMask, Path, Right,
    Secret, Watcher,
    serve::http::{GENERATION, INDEX, Serving, Witness},
};
use futures_util::future::BoxFuture;
use http::{Response, StatusCode};

/// Lets callers do what their name says: `read` or `reveal`.
struct ByName;

impl Access<str> for ByName {
    fn check(&self, caller: &str, right: Right, _: &DocumentId) -> Result<(), Denied> {
        match (caller, right) {
            ("reveal", _) | ("read", Right::Read) => Ok(()),
            _ => Err(Denied {
                rule: format!("{right:?} is not for {caller}"),
            }),
        }
    }
}

/// What was noted, as `caller right document` and `denied` where it was.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Witness<str> for Notes {
    fn note<'a>(
        &'a self,
        caller: &'a str,
        right: Right,
        document: &'a DocumentId,
        denied: Option<&'a Denied>,
    ) -> BoxFuture<'a, ()> {
        let denied = denied.map_or("", |_| " denied");
        let note = format!("{caller} {right:?} {document}{denied}");
        self.0.lock().expect("no panic").push(note);
        Box::pin(std::future::ready(()))
    }
}

async fn get(node: &Node, caller: &str, path: &str, query: &str) -> Response<String> {
    get_noted(node, caller, path, query, &Notes::default()).await
}

async fn get_noted(
    node: &Node,
    caller: &str,
    path: &str,
    query: &str,
    notes: &Notes,
) -> Response<String> {
    let serving = Serving {
        documents: node.watcher.documents(),
        access: &ByName,
        mask: &NoMask,
        witness: notes,
    };
    serving.answer(caller, path, query).await
}

fn header(response: &Response<String>, name: &str) -> u64 {
    let value = response.headers().get(name).expect("is there");
    value
        .to_str()
        .expect("is text")
        .parse()
        .expect("is a number")
}

#[tokio::test]
async fn a_blocking_query_returns_with_the_next_generation() {
    let folder = Folder::new();
    let (mut node, _handle, _file) = running(&folder).await;
    let first = get(&node, "read", "/v1/config/dev/app", "").await;
    assert_eq!(
        (first.status(), first.body().as_str()),
        (StatusCode::OK, "{\"port\":1}")
    );
    assert_eq!(header(&first, GENERATION), 1);
    let index = header(&first, INDEX);

    let query = format!("index={index}&wait=50ms");
    let same = get(&node, "read", "/v1/config/dev/app", &query).await;
    assert_eq!(
        (header(&same, INDEX), header(&same, GENERATION)),
        (index, 1)
    );

    folder.write("app.yaml", "port: 2\n");
    let query = format!("index={index}&wait=20s");
    let second = get(&node, "read", "/v1/config/dev/app", &query).await;
    assert_eq!(second.body(), "{\"port\":2}");
    assert!(header(&second, INDEX) > index);
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_says_so() {
    let folder = Folder::new();
    let (node, _handle, _file) = running(&folder).await;
    let status = async |caller: &str, path: &str, query: &str| {
        let response = get(&node, caller, path, query).await;
        (
            response.status().as_u16(),
            response.headers().contains_key(INDEX),
        )
    };
    assert_eq!(
        status("read", "/v1/config/dev/other", "").await,
        (404, true)
    );
    assert_eq!(status("read", "/v1/config/dev", "").await, (400, false));
    assert_eq!(
        status("read", "/v1/config/dev/%2e%2e", "").await,
        (400, false)
    );
    assert_eq!(
        status("read", "/v1/config/dev/app", "index=x").await,
        (400, false)
    );
    assert_eq!(
        status("read", "/v1/config/dev/app", "wait=x").await,
        (400, false)
    );
    assert_eq!(
        status("nobody", "/v1/config/dev/app", "").await,
        (403, false)
    );
}

/// Opens `sealed:x` as `x`.
pub(crate) struct Prefix;

impl Decrypt for Prefix {
    fn is_sealed(&self, text: &str) -> bool {
        text.starts_with("sealed:")
    }

    fn open<'a>(
        &'a self,
        _: &'a DocumentId,
        _: &'a Path,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Secret, DecryptError>> {
        let open = text.trim_start_matches("sealed:").to_owned();
        Box::pin(async move { Ok(Secret::new(open)) })
    }
}

#[tokio::test]
async fn secrets_are_for_those_who_may_see_them() {
    let folder = Folder::new();
    let file = folder.write("app.yaml", "port: 1\nname: sealed:hunter2\n");
    let mut node = Node::start(&folder);
    let hooks = Hooks {
        decrypt: Some(Arc::new(Prefix)),
        ..Hooks::default()
    };
    node.watcher = Watcher::new(Arc::clone(&node.store), hooks);
    let handle = node.watcher.watch(definition(&file)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    let notes = Notes::default();
    let plain = get_noted(&node, "reveal", "/v1/config/dev/app", "", &notes).await;
    assert_eq!(plain.body(), "{\"name\":\"hunter2\",\"port\":1}");
    let denied = get_noted(&node, "read", "/v1/config/dev/app", "", &notes).await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    let noted = notes.0.lock().expect("no panic").clone();
    assert_eq!(
        noted,
        ["reveal Reveal dev/app", "read Reveal dev/app denied"]
    );
    let masked = get(&node, "read", "/v1/config/dev/app", "masked").await;
    assert_eq!(masked.body(), "{\"name\":\"***\",\"port\":1}");

    folder.write("app.yaml", "port: 1\nname: sealed:other\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    let history = handle.history().expect("reads");
    let text = serde_json::to_string(&history).expect("is JSON");
    assert!(
        !text.contains("hunter2") && !text.contains("other"),
        "{text}"
    );
    let change = &history[1].diff.changes[0];
    assert_eq!(change.before, Some("***".into()));
    assert_eq!(change.after, Some("***".into()));
}
