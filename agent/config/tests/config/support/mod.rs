//! A watcher on a folder of its own, and its events one by one.

mod refusal;
mod served;
mod swaps;

pub(crate) use refusal::{refused, shown};
pub(crate) use served::{Served, ask, ask_over};
pub(crate) use swaps::{Pace, swapped};

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use config::{
    Definition, DocumentId, FileSource, Handle, Happened, Hooks, Path as At, Published, Reveal,
    Schema, Status, Timing, Watcher,
};
use serde_json::{Value as Json, json};
use state::{Options, Store};

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("golens-config-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        let beside = path.with_added_extension("new");
        fs::write(&beside, text).expect("written");
        fs::rename(&beside, &path).expect("renamed");
        path
    }

    /// Makes a version of a ConfigMap in the folder `map` and swaps it in as kubelet does.
    pub(crate) fn swap(&self, map: &str, version: &str, files: &[(&str, &str)]) -> PathBuf {
        let map = self.0.join(map);
        let folder = map.join(format!("..{version}"));
        fs::create_dir_all(&folder).expect("a version");
        for (file, text) in files {
            fs::write(folder.join(file), text).expect("a file");
            if !map.join(file).is_symlink() {
                symlink(Path::new("..data").join(file), map.join(file)).expect("a link");
            }
        }
        let old = fs::read_link(map.join("..data")).ok();
        symlink(format!("..{version}"), map.join("..data_tmp")).expect("a link");
        fs::rename(map.join("..data_tmp"), map.join("..data")).expect("the swap");
        if let Some(old) = old {
            fs::remove_dir_all(map.join(old)).expect("the old version goes");
        }
        map
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A node: its state and its watcher.
pub(crate) struct Node {
    pub(crate) store: Arc<Store>,
    pub(crate) watcher: Watcher,
    seen: u64,
    /// What was in force when the last `Applied` was looked at.
    applied: Option<Arc<Published>>,
}

impl Node {
    pub(crate) fn start(folder: &Folder) -> Self {
        Self::with(folder, Hooks::default())
    }

    pub(crate) fn with(folder: &Folder, hooks: Hooks) -> Self {
        let path = folder.0.join("state/node.redb");
        let opened = Store::open(&path, &Options::default()).expect("opens");
        let store = Arc::new(opened.store);
        let watcher = Watcher::new(Arc::clone(&store), hooks);
        Self {
            store,
            watcher,
            seen: 0,
            applied: None,
        }
    }

    /// The next event, in the order of events: none is passed over.
    pub(crate) async fn next(&mut self) -> Happened {
        let mut news = self.watcher.events().subscribe();
        let wait = news.wait_for(|newest| *newest > self.seen);
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        drop(waited.expect("an event in time").expect("events go on"));
        let events = self.watcher.events().since(self.seen);
        let event = events.into_iter().next().expect("an event");
        self.seen = event.number;
        if matches!(event.what, Happened::Applied { .. }) {
            self.applied = self.watcher.documents().get(&id());
        }
        event.what
    }

    /// Asserts that the very generation is in force that was at the last `Applied`: not one like it.
    pub(crate) fn untouched(&self) {
        let applied = self.applied.as_ref().expect("was applied");
        let now = self.watcher.documents().get(&id()).expect("in force");
        assert!(Arc::ptr_eq(applied, &now), "{applied:#?} became {now:#?}");
    }

    /// Asserts that nothing happened that was not looked at.
    pub(crate) fn nothing_else(&self) {
        let more = self.watcher.events().since(self.seen);
        assert!(more.is_empty(), "{more:#?}");
    }

    /// Waits until it is said so of how the document is doing.
    pub(crate) async fn until(&self, holds: impl Fn(&Status) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.watcher.status().get(&id()).is_some_and(&holds) {
            assert!(Instant::now() < deadline, "{:?}", self.watcher.status());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The document as it is in force.
    pub(crate) fn document(&self) -> Json {
        let published = self.watcher.documents().get(&id()).expect("in force");
        published.value.to_json(Reveal::Plain)
    }

    pub(crate) fn generation(&self) -> u64 {
        let published = self.watcher.documents().get(&id()).expect("in force");
        published.generation
    }
}

pub(crate) fn id() -> DocumentId {
    DocumentId::new("dev", "app").expect("a name")
}

/// `dev/app` from one file, which must fit a schema; the health window does not end by itself.
pub(crate) fn definition(file: &Path) -> Definition {
    let source = FileSource::new(file).with_poll(Duration::from_secs(3_600));
    let mut definition = Definition::new(id(), vec![Arc::new(source)]);
    definition.schema = Some(Arc::new(schema()));
    definition.timing = Timing {
        health_window: Duration::from_secs(3_600),
        ..Timing::default()
    };
    definition
}

fn schema() -> Schema {
    Schema::new(json!({
        "type": "object",
        "required": ["port"],
        "additionalProperties": false,
        "properties": {
            "port": {"type": "integer", "maximum": 65_535},
            "copy": {"type": "integer"},
            "name": {"type": "string"},
            "version": {"type": "string"},
        },
    }))
    .expect("a schema")
}

/// A node whose document is in force from `app.yaml` with `port: 1`, as generation 1.
pub(crate) async fn running(folder: &Folder) -> (Node, Handle, PathBuf) {
    let file = folder.write("app.yaml", "port: 1\n");
    let mut node = Node::start(folder);
    let handle = node.watcher.watch(definition(&file)).await;
    assert_eq!(node.next().await, Happened::Applied { generation: 1 });
    (node, handle, file)
}

/// A path in a document.
pub(crate) fn at(path: &str) -> At {
    path.parse().expect("a path")
}
