//! viper, Consul's own watches and kratos, unmodified, read documents of a node. Long, because Go builds them.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up must stop"
)]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "documents/node.rs"]
mod node;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use config::{FileSource, roles::Policy};

use crate::node::{Answering, Folder, Watching};

/// The ConfigMap of a document as kubelet mounts it, in its first version.
fn config_map(folder: &Path, document: &str) -> PathBuf {
    let map = folder.join(document);
    fs::create_dir_all(map.join("..1")).unwrap();
    fs::write(map.join("..1/app.yaml"), "server:\n  port: 1\n").unwrap();
    symlink("..1", map.join("..data")).unwrap();
    symlink("..data/app.yaml", map.join("app.yaml")).unwrap();
    map
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viper_plans_and_kratos_follow_documents() {
    let folder = Folder::new();
    let node = Watching::start(&folder);
    let maps = folder.0.join("maps");
    let mut handles = Vec::new();
    for document in ["viper", "plan", "other", "kratos"] {
        let source = FileSource::new(config_map(&maps, document));
        handles.push(node.document(document, source).await);
    }
    let registry = Answering::documents(&folder, node.watcher.documents(), Policy::open()).await;
    let address = registry.address.to_string();
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/targets/documents");
    let mut tests = Command::new("go");
    tests
        .args(["test", "-count=1", "-timeout=5m", "."])
        .env("GOLENS_KEYS", address)
        .env("GOLENS_MAPS", maps)
        .current_dir(module);
    let ran = tokio::task::spawn_blocking(move || tests.output().unwrap());
    let output = ran.await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    assert!(output.status.success(), "the tests failed:\n{printed}");
    registry.end().await;
}
