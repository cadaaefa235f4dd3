//! Who refuses a change besides parser and schema, and what is taken back.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::support::{Folder, Node, at, definition, id, refused, running, shown};
use config::{Component, ComponentError, Happened, Prepared, Stage, Value, VersionRule};
use futures_util::future::BoxFuture;
use serde_json::json;

#[tokio::test]
async fn an_emptied_file_is_refused() {
    let folder = Folder::new();
    let (mut node, _handle, file) = running(&folder).await;
    fs::write(&file, "").expect("emptied");
    let problems = refused(&mut node, Stage::Read).await;
    assert_eq!(problems[0].rule, "emptied");
}

#[tokio::test]
async fn the_same_content_is_not_tried_again() {
    let folder = Folder::new();
    let (mut node, _handle, _file) = running(&folder).await;
    folder.write("app.yaml", "port: many\n");
    refused(&mut node, Stage::Validate).await;
    // Written again, twice, under other inodes; then something new, which is told next.
    for times in 1..=2 {
        folder.write("app.yaml", "port: many\n");
        node.until(|status| status.not_tried_again >= times).await;
    }
    folder.write("app.yaml", "port: 2\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
}

#[tokio::test]
async fn a_swapped_config_map_is_applied() {
    let folder = Folder::new();
    let map = folder.swap(
        "map",
        "a",
        &[("app.yaml", "port: 1"), ("name.toml", "name = 'a'")],
    );
    let mut node = Node::start(&folder);
    let _handle = node.watcher.watch(definition(&map)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    folder.swap(
        "map",
        "b",
        &[("app.yaml", "port: 2"), ("name.toml", "name = 'b'")],
    );
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.document(), json!({"port": 2, "name": "b"}));
    let published = node.watcher.documents().get(&id()).expect("in force");
    let origin = &published.value.get(&at("port")).expect("is there").origin;
    assert_eq!(origin.place.version, "..b");
    assert_eq!(
        origin.place.name,
        map.join("app.yaml").display().to_string()
    );
}

#[tokio::test]
async fn a_major_version_is_refused() {
    let folder = Folder::new();
    let file = folder.write("app.yaml", "port: 1\nversion: 1.0.0\n");
    let mut node = Node::start(&folder);
    let mut definition = definition(&file);
    definition.versions = Some(VersionRule {
        path: at("version"),
        accepted_major: 1,
    });
    let _handle = node.watcher.watch(definition).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    folder.write("app.yaml", "port: 1\nversion: 2.0.0\n");
    let Happened::Rejected {
        stage, problems, ..
    } = node.next().await
    else {
        panic!("is no refusal");
    };
    assert_eq!(stage, Stage::Version);
    assert_eq!(
        problems[0]
            .origin
            .as_ref()
            .and_then(|it| it.mark)
            .map(|it| it.line),
        Some(2)
    );
    assert_eq!(node.document(), json!({"port": 1, "version": "1.0.0"}));
    folder.write("app.yaml", "port: 2\nversion: 1.1.0\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
}

/// A component that takes the port, refuses 13, and is unwell with 14.
#[derive(Default)]
struct Listener {
    port: Arc<AtomicU64>,
    is_sick: AtomicBool,
}

impl Component for Listener {
    fn name(&self) -> &'static str {
        "listener"
    }

    fn prepare<'a>(
        &'a self,
        _: Option<&'a Value>,
        next: &'a Value,
    ) -> BoxFuture<'a, Result<Box<dyn Prepared>, Vec<ComponentError>>> {
        let port = next.get(&at("port")).and_then(|port| match &port.data {
            config::Data::Number(port) => port.as_u64(),
            _ => None,
        });
        let port = port.expect("the schema says so");
        let shared = Arc::clone(&self.port);
        self.is_sick.store(port == 14, Ordering::Relaxed);
        Box::pin(async move {
            match port {
                13 => Err(vec![ComponentError {
                    path: at("port"),
                    reason: "13 is taken".to_owned(),
                }]),
                port => Ok(Box::new(Ready { port, shared }) as Box<dyn Prepared>),
            }
        })
    }

    fn health(&self) -> Result<(), ComponentError> {
        match self.is_sick.load(Ordering::Relaxed) {
            true => Err(ComponentError {
                path: at("port"),
                reason: "nobody can connect".to_owned(),
            }),
            false => Ok(()),
        }
    }
}

struct Ready {
    port: u64,
    shared: Arc<AtomicU64>,
}

impl Prepared for Ready {
    fn commit(self: Box<Self>) {
        self.shared.store(self.port, Ordering::Relaxed);
    }
}

async fn with_listener(
    folder: &Folder,
    window: Duration,
) -> (Node, config::Handle, Arc<AtomicU64>) {
    let file = folder.write("app.yaml", "port: 1\n");
    let mut node = Node::start(folder);
    let listener = Listener::default();
    let port = Arc::clone(&listener.port);
    let mut definition = definition(&file);
    definition.components = vec![Arc::new(listener)];
    definition.timing.health_window = window;
    let handle = node.watcher.watch(definition).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    assert_eq!(port.load(Ordering::Relaxed), 1);
    (node, handle, port)
}

#[tokio::test]
async fn what_a_component_refuses_changes_nothing() {
    let folder = Folder::new();
    let (mut node, _handle, port) = with_listener(&folder, Duration::from_secs(3_600)).await;
    let file = folder.write("app.yaml", "port: 13\n");
    let problems = refused(&mut node, Stage::Prepare).await;
    let told = "app.yaml:1:7: port: listener: 13 is taken";
    assert_eq!(shown(&problems, &file), [told]);
    assert_eq!(port.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_does_not_work_well_is_taken_back() {
    let folder = Folder::new();
    let (mut node, handle, port) = with_listener(&folder, Duration::from_millis(200)).await;
    assert_eq!(node.next().await, Happened::ProvedGood { generation: 1 });
    folder.write("app.yaml", "port: 14\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 2 });
    assert_eq!(node.next().await, Happened::Applied { generation: 3 });
    assert_eq!(node.next().await, Happened::ProvedGood { generation: 3 });
    let taken_back = Happened::TakenBack {
        generation: 2,
        replaced_by: 3,
        reason: "listener: nobody can connect".to_owned(),
    };
    assert_eq!(node.next().await, taken_back);
    assert_eq!(port.load(Ordering::Relaxed), 1);
    assert_eq!(node.document(), json!({"port": 1}));
    let outcomes = handle
        .history()
        .expect("reads")
        .into_iter()
        .map(|it| it.outcome);
    let (good, back) = (config::Outcome::Good, config::Outcome::TakenBack);
    assert_eq!(outcomes.collect::<Vec<_>>(), [good, back, good]);
    // The sources still say 14: that is not tried again, and something else is.
    folder.write("app.yaml", "port: 15\n");
    assert_eq!(node.next().await, Happened::Applied { generation: 4 });
}
