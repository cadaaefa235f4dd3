//! agollo, unmodified, against the node's server: first load, changes, cache, gray release, access key. Long,
//! because Go builds it, and because agollo waits some seconds between two polls.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up must stop"
)]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "apollo/node.rs"]
mod node;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
    time::Duration,
};

use config::{
    Secret,
    apollo::{AccessKey, AccessKeys, Gray},
};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::node::{Node, release};

/// How long agollo may take to say something.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, built once.
static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/targets/agollo");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agollo");
    let built = std::process::Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg("./follow")
        .current_dir(module)
        .status();
    assert!(built.unwrap().success());
    program
});

#[derive(Debug, Deserialize, PartialEq)]
struct Line {
    event: String,
    namespace: String,
    values: Option<BTreeMap<String, String>>,
}

fn line(event: &str, namespace: &str, values: &[(&str, &str)]) -> Line {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Line {
        event: event.to_owned(),
        namespace: namespace.to_owned(),
        values: Some(values.iter().map(own).collect()),
    }
}

struct Agollo {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Agollo {
    fn start(url: &str, namespaces: &str, label: &str, key: &str, cache: &Path) -> Self {
        let mut process = Command::new(&*PROGRAM)
            .args([url, "shop", namespaces, label, key])
            .arg(cache)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            _process: process,
            lines,
        }
    }

    /// The next thing that it says; its own log goes to the same place and is no JSON.
    async fn next(&mut self) -> Line {
        let said = async {
            loop {
                let text = self.lines.next_line().await.unwrap().unwrap();
                if let Ok(line) = serde_json::from_str(&text) {
                    return line;
                }
            }
        };
        tokio::time::timeout(PATIENCE, said).await.unwrap()
    }
}

fn url(node: &Node) -> String {
    format!("http://{}", node.address)
}

fn cache(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("agollo-{name}"));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn it_loads_and_hears_of_changes() {
    let node = Node::start().await;
    node.publish("application", release("r1", &[("a", "1"), ("b", "x y")]))
        .await;
    node.publish(
        "app.yaml",
        release("y1", &[("content", "deep:\n  key: 1\n")]),
    )
    .await;
    let mut agollo = Agollo::start(
        &url(&node),
        "application,app.yaml",
        "",
        "",
        &cache("changes"),
    );
    let loaded = line("loaded", "application", &[("a", "1"), ("b", "x y")]);
    assert_eq!(agollo.next().await, loaded);
    assert_eq!(
        agollo.next().await,
        line("loaded", "app.yaml", &[("deep.key", "1")])
    );

    node.publish("application", release("r2", &[("a", "2"), ("b", "x y")]))
        .await;
    assert_eq!(
        agollo.next().await,
        line("changed", "application", &[("a", "2")])
    );
    node.publish(
        "app.yaml",
        release("y2", &[("content", "deep:\n  key: 2\n")]),
    )
    .await;
    assert_eq!(
        agollo.next().await,
        line("changed", "app.yaml", &[("deep.key", "2")])
    );

    // Many at once: the last one counts.
    for value in 3..50 {
        let value = value.to_string();
        node.publish(
            "application",
            release(&format!("r{value}"), &[("a", &value), ("b", "x y")]),
        )
        .await;
    }
    loop {
        let said = agollo.next().await;
        if said == line("changed", "application", &[("a", "49")]) {
            break;
        }
        assert_eq!(said.namespace, "application");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_gets_the_gray_release_and_signs() {
    let node = Node::start().await;
    let mut keys = AccessKeys::default();
    let secret = Secret::new("6ce3ff7e96a24335a9634fe9abca6d51".to_owned());
    keys.add(
        "shop",
        AccessKey {
            secret: secret.clone(),
            enforced: true,
        },
    );
    node.server.set_keys(keys);
    let mut main = release("main", &[("a", "1")]);
    main.gray = vec![Gray {
        release_key: "gray".to_owned(),
        ips: Vec::new(),
        labels: vec!["canary".to_owned()],
        configurations: [("a".to_owned(), "2".to_owned())].into(),
    }];
    node.publish("application", main).await;
    let (url, key) = (url(&node), secret.expose());
    let mut gray = Agollo::start(&url, "application", "canary", key, &cache("gray"));
    assert_eq!(
        gray.next().await,
        line("loaded", "application", &[("a", "2")])
    );
    let mut plain = Agollo::start(&url, "application", "other", key, &cache("plain"));
    assert_eq!(
        plain.next().await,
        line("loaded", "application", &[("a", "1")])
    );
    let mut unsigned = Agollo::start(&url, "application", "", "wrong", &cache("unsigned"));
    let refused = unsigned.next().await;
    assert_ne!(refused, line("loaded", "application", &[("a", "1")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_from_its_cache_without_the_node() {
    let node = Node::start().await;
    node.publish("application", release("r1", &[("a", "1")]))
        .await;
    let (url, folder) = (url(&node), cache("restart"));
    let mut first = Agollo::start(&url, "application", "", "", &folder);
    let loaded = line("loaded", "application", &[("a", "1")]);
    assert_eq!(first.next().await, loaded);
    node.publish("application", release("r2", &[("a", "2")]))
        .await;
    assert_eq!(
        first.next().await,
        line("changed", "application", &[("a", "2")])
    );
    let is_cached = || {
        let files = std::fs::read_dir(&folder).unwrap();
        let mut texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        texts.any(|text| text.contains(r#""a":"2""#))
    };
    let cached = async {
        while !is_cached() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, cached).await.unwrap();
    drop(first);
    drop(node);
    let mut again = Agollo::start(&url, "application", "", "", &folder);
    assert_eq!(
        again.next().await,
        line("loaded", "application", &[("a", "2")])
    );
}
