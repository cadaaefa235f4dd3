//! The documents of this node: watched, and served to its programs.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use ::config::{
    Archive, DocumentId, Documents, Handle, Hooks, Secret, Watcher,
    apollo::{self, AccessKey, AccessKeys, Board},
    caller::{CallerIdentity, Door, Proof, Reader, Tokens},
    listen::{Address, Shutdown, ending},
    serve::{self, control::Control},
};
use futures_util::future::join_all;
use registry::{Caller, consul::KeyMount};
use state::Store;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{
    Guard, SOCKET,
    definition::{definition, shown},
    listener::{Listeners, Protocol, endpoints, keep},
};
use crate::{
    config::{ConfigWatcher, Live},
    services::{DocumentKeys, Status},
};

/// What all keys of documents begin with, in the registry's key-value API.
pub const KEYS: &str = "golens/config/";
/// What is under way may take this long when golens ends.
const STOP: Duration = Duration::from_secs(3);
/// Longest wait for news; then it is waited for again.
const WAIT: Duration = Duration::from_secs(3_600);

/// What documents are watched with, and for whom.
#[derive(Clone)]
pub(crate) struct Shelf {
    pub(crate) watcher: Watcher,
    pub(crate) guard: Arc<Guard>,
    pub(crate) store: Arc<Store>,
    /// Where the state is kept; none when it is in memory only.
    pub(crate) folder: Option<PathBuf>,
}

impl Shelf {
    /// The documents as keys, when any are declared.
    pub(crate) fn keys(&self, settings: &ConfigWatcher) -> Option<Arc<dyn KeyMount>> {
        let keys = || {
            DocumentKeys::new(
                KEYS,
                Arc::clone(self.watcher.documents()),
                Arc::clone(&self.guard.access),
                Box::new(introduce),
            )
        };
        (!settings.documents.is_empty()).then(|| Arc::new(keys()) as _)
    }
}

/// A caller of the registry as one who reads documents.
fn introduce(caller: &Caller) -> Reader {
    let token = caller.token.as_ref();
    let mut proofs = vec![Proof::Process(caller.name.to_string())];
    proofs.extend(token.map(|accessor| Proof::Token(accessor.to_string())));
    Reader {
        name: caller.name.to_string(),
        proofs,
    }
}

/// Tokens are the registry's.
struct RegistryTokens(Arc<Status>);

impl Tokens for RegistryTokens {
    fn accessor(&self, secret: &str) -> Option<String> {
        let registry = self.0.registry()?;
        let bearer = registry.store().authenticate(secret, SystemTime::now())?;
        Some(bearer.accessor.to_string())
    }
}

/// The running half.
#[derive(Debug)]
pub(crate) struct Serving {
    listeners: Listeners,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Serving {
    /// Begins to watch and to listen; returns at once. Without documents nothing listens.
    pub(crate) fn start(
        live: Live,
        shelf: Shelf,
        callers: Arc<dyn CallerIdentity>,
        registry: Arc<Status>,
        node: String,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let listeners = Listeners::default();
        let half = Half {
            listeners: listeners.clone(),
            settings: live.now().config.clone(),
            live,
            shelf,
            callers,
            tokens: Arc::new(RegistryTokens(registry)),
            node,
        };
        let task = tokio::spawn(async move {
            let documents = async {
                if !half.settings.documents.is_empty() {
                    half.run(stopped.clone()).await;
                }
            };
            tokio::join!(documents, half.control(stopped.clone()));
        });
        Self {
            listeners,
            stop,
            task,
        }
    }

    /// Where documents are served.
    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Takes no more requests; what is under way is answered meanwhile.
    pub(crate) fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) {
        self.end();
        if tokio::time::timeout(STOP, &mut self.task).await.is_err() {
            tracing::warn!("requests for documents do not end in time and are cut off");
            self.task.abort();
        }
    }
}

struct Half {
    listeners: Listeners,
    settings: ConfigWatcher,
    live: Live,
    shelf: Shelf,
    callers: Arc<dyn CallerIdentity>,
    tokens: Arc<dyn Tokens>,
    node: String,
}

impl Half {
    async fn run(&self, mut stop: Shutdown) {
        let board = match Board::open(Arc::clone(&self.shelf.store)) {
            Ok(board) => Some(Arc::new(board)),
            Err(error) => {
                tracing::error!(%error, "clients of Apollo are not answered: its releases cannot be read");
                None
            }
        };
        // Whoever asks before the first reading would be told that there is nothing.
        let handles = tokio::select! {
            handles = self.watch(board.as_ref()) => handles,
            () = ending(&mut stop) => return,
        };
        let mut tasks = self.listen(board.as_ref(), &stop);
        if let Some(board) = board {
            let ids = handles.iter().map(|handle| handle.id().clone()).collect();
            let documents = Arc::clone(self.shelf.watcher.documents());
            tasks.spawn(show(board, documents, ids, stop));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the config watcher ended with a panic");
            }
        }
        join_all(handles.into_iter().map(Handle::close)).await;
    }

    /// Answers people at a socket beside the state.
    async fn control(&self, stop: Shutdown) {
        let Some(folder) = &self.shelf.folder else {
            return;
        };
        let guard = &self.shelf.guard;
        let control = Control {
            archive: Archive::new(Arc::clone(&self.shelf.store)),
            watcher: self.shelf.watcher.clone(),
            access: Arc::clone(&guard.access),
            door: Door::new(Arc::clone(&self.callers), Arc::clone(&self.tokens)),
            ledger: guard.ledger.clone(),
        };
        let address = Address::Unix(folder.join(SOCKET));
        let protocol = Protocol::Control(Arc::new(control));
        keep(0, address, protocol, self.listeners.clone(), stop).await;
    }

    /// Watches all documents that can be watched.
    async fn watch(&self, board: Option<&Arc<Board>>) -> Vec<Handle> {
        let watched = self.settings.documents.iter().map(|document| async move {
            match definition(document, board).await {
                Ok(definition) => Some(self.shelf.watcher.watch(definition).await),
                Err(reason) => {
                    let (namespace, name) = (&document.namespace, &document.name);
                    tracing::error!(namespace, name, reason, "a document is not watched");
                    None
                }
            }
        });
        join_all(watched).await.into_iter().flatten().collect()
    }

    fn listen(&self, board: Option<&Arc<Board>>, stop: &Shutdown) -> JoinSet<()> {
        // Checked with the settings.
        let endpoints = endpoints(&self.settings).unwrap_or_default();
        let mut all = Vec::new();
        let mut add = |addresses: Vec<Address>, protocol: Protocol| {
            all.extend(addresses.into_iter().map(|it| (it, protocol.clone())));
        };
        let documents = Arc::new(self.documents());
        add(endpoints.http, Protocol::Documents(Arc::clone(&documents)));
        add(endpoints.grpc, Protocol::Grpc(documents));
        let mut tasks = JoinSet::new();
        if let Some(board) = board {
            let releases = Arc::new(self.apollo(board, stop.clone()));
            // Nobody is answered before signatures are asked for.
            releases.set_keys(access_keys(&self.live));
            add(endpoints.apollo, Protocol::Apollo(Arc::clone(&releases)));
            tasks.spawn(follow_keys(releases, self.live.clone(), stop.clone()));
        }
        for (number, (address, protocol)) in all.into_iter().enumerate() {
            // The first place is that of the socket for people.
            let number = number + 1;
            let listeners = self.listeners.clone();
            tasks.spawn(keep(number, address, protocol, listeners, stop.clone()));
        }
        tasks
    }

    fn documents(&self) -> serve::Server {
        let Hooks { mask, .. } = &self.shelf.guard.hooks;
        serve::Server {
            documents: Arc::clone(self.shelf.watcher.documents()),
            access: Arc::clone(&self.shelf.guard.access),
            mask: Arc::clone(mask),
            door: Door::new(Arc::clone(&self.callers), Arc::clone(&self.tokens)),
            ledger: self.shelf.guard.ledger.clone(),
        }
    }

    fn apollo(&self, board: &Arc<Board>, stop: Shutdown) -> apollo::Server {
        let settings = apollo::Settings {
            node: self.node.clone(),
            ..apollo::Settings::default()
        };
        apollo::Server::new(
            Arc::clone(board),
            settings,
            Arc::clone(&self.callers),
            Arc::clone(&self.shelf.guard.access),
            stop,
        )
        .audited_by(self.shelf.guard.ledger.clone())
    }
}

/// The access keys of applications that the settings have now.
fn access_keys(live: &Live) -> AccessKeys {
    let mut keys = AccessKeys::default();
    for key in &live.now().config.apollo_keys {
        let secret = Secret::new(key.secret.expose().to_owned());
        let enforced = key.enforced;
        keys.add(&key.app, AccessKey { secret, enforced });
    }
    keys
}

/// Keeps the access keys of applications as the settings say, until `stop`.
async fn follow_keys(server: Arc<apollo::Server>, mut live: Live, mut stop: Shutdown) {
    loop {
        // What changed before this began to wait is in them already.
        server.set_keys(access_keys(&live));
        tokio::select! {
            () = live.changed() => {}
            () = ending(&mut stop) => return,
        }
    }
}

/// Shows every generation of the documents to clients of Apollo, until `stop`.
async fn show(
    board: Arc<Board>,
    documents: Arc<Documents>,
    ids: Vec<DocumentId>,
    mut stop: Shutdown,
) {
    let mut seen = BTreeMap::new();
    loop {
        // Before the look at them: what comes in between is news for this index.
        let index = documents.index_below("");
        for id in &ids {
            let (Some(key), Some(document)) = (shown(id), documents.get(id)) else {
                continue;
            };
            if seen.insert(id, document.revision) != Some(document.revision) {
                board.show(key, &document);
            }
        }
        tokio::select! {
            _news = documents.wait_below("", index, Instant::now() + WAIT) => {}
            () = ending(&mut stop) => return,
        }
    }
}
