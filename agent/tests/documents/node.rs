//! A node: a registry that answers Consul's API, and a watcher whose documents are keys there.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use config::{
    Definition, DocumentId, Documents, FileSource, Handle, Happened, Hooks, Reveal, Source,
    Watcher,
    caller::{Proof, Reader},
    roles::Policy,
};
use golens::services::DocumentKeys;
use registry::{
    ByPeer, Caller, OpenError, Options, ProbeOptions, Registry,
    consul::{self, Server, Settings},
    listen::Listener,
    state::{self, Store},
};
use serde_json::Value as Json;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client; the first one says which cryptography there is, though none is needed here.
pub(crate) fn client() -> reqwest::Client {
    // An error says that it was said already.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::new()
}

/// A folder that goes with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("golens-documents-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, beside) = (self.0.join(name), self.0.join(format!(".{name}.new")));
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &path).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The watcher of a node, and its events one by one.
pub(crate) struct Watching {
    pub(crate) watcher: Watcher,
    store: Arc<Store>,
    seen: u64,
}

impl Watching {
    pub(crate) fn start(folder: &Folder) -> Self {
        let opened = Store::open(&folder.0.join("config.redb"), &state::Options::default());
        let store = Arc::new(opened.unwrap().store);
        Self {
            watcher: Watcher::new(Arc::clone(&store), Hooks::default()),
            store,
            seen: 0,
        }
    }

    /// `dev/app` from a file.
    pub(crate) async fn file(&self, file: &Path) -> Handle {
        self.source(FileSource::new(file)).await
    }

    /// `dev/app` from any source.
    pub(crate) async fn source(&self, source: impl Source) -> Handle {
        self.document("app", source).await
    }

    /// A document of the namespace `dev`.
    pub(crate) async fn document(&self, name: &str, source: impl Source) -> Handle {
        let id = DocumentId::new("dev", name).unwrap();
        let definition = Definition::new(id, vec![Arc::new(source)]);
        self.watcher.watch(definition).await
    }

    /// The next event, in the order of events: none is passed over.
    pub(crate) async fn next(&mut self) -> Happened {
        let mut news = self.watcher.events().subscribe();
        let wait = news.wait_for(|newest| *newest > self.seen);
        drop(tokio::time::timeout(PATIENCE, wait).await.unwrap().unwrap());
        let event = self.watcher.events().since(self.seen).swap_remove(0);
        self.seen = event.number;
        event.what
    }

    /// Returns once somebody waits for a document.
    pub(crate) async fn is_waited_for(&self) {
        let waits = async {
            while self.store.hub().waiting() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waits).await.unwrap();
    }

    /// The document as it is in force.
    pub(crate) fn in_force(&self) -> Json {
        let id = DocumentId::new("dev", "app").unwrap();
        let published = self.watcher.documents().get(&id).unwrap();
        published.value.to_json(Reveal::Plain)
    }
}

/// A registry on an address of its own.
pub(crate) struct Answering {
    pub(crate) address: SocketAddr,
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Answering {
    /// With documents as keys in `golens/config/`, for who may see them.
    pub(crate) async fn documents(
        folder: &Folder,
        documents: &Arc<Documents>,
        policy: Policy,
    ) -> Self {
        let introduce = |caller: &Caller| Reader {
            name: caller.name.to_string(),
            proofs: vec![Proof::Process(caller.name.to_string())],
        };
        let documents = Arc::clone(documents);
        let keys = DocumentKeys::new(
            "golens/config/",
            documents,
            Arc::new(policy),
            Box::new(introduce),
        );
        let settings = Settings {
            mount: Some(Arc::new(keys)),
            ..Settings::default()
        };
        Self::with(folder, settings, "127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn with(folder: &Folder, settings: Settings, address: SocketAddr) -> Self {
        let options = Options {
            node: settings.node("node-1", BTreeMap::new()),
            node_checks: vec![Settings::serf_check()],
            state: state::Options::default(),
            probes: ProbeOptions::default(),
            snapshot_interval: None,
        };
        let registry = open(&folder.0.join("registry.redb"), options).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ends) = watch::channel(false);
        let server = Server::new(registry, settings, Arc::new(ByPeer), ends.clone());
        let task = tokio::spawn(consul::serve(vec![Listener::Tcp(listener)], server, ends));
        Self { address, end, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers what it holds and ends.
    pub(crate) async fn end(self) {
        self.end.send_replace(true);
        self.task.await.unwrap();
    }
}

async fn open(file: &Path, options: Options) -> Registry {
    loop {
        match Registry::open(file, options.clone()).await {
            Ok((registry, recovery)) => {
                assert!(recovery.is_none(), "{recovery:?}");
                return registry;
            }
            // Tasks of the registry before this one end on their own.
            Err(OpenError::State(state::OpenError::Engine(state::EngineError::InUse))) => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
