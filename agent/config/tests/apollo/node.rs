//! A server on a free port with a board of its own.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use config::{
    Masker,
    apollo::{Board, Key, Release, Server, Settings},
    caller::ByPeer,
    listen::Listener,
    roles::{Ledger, Policy},
};
use state::Store;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) board: Arc<Board>,
    pub(crate) server: Arc<Server>,
    pub(crate) store: Arc<Store>,
    ends: watch::Sender<bool>,
    folder: PathBuf,
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(Policy::open(), Duration::from_secs(60)).await
    }

    pub(crate) async fn with(policy: Policy, hold: Duration) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("golens-apollo-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self::of(folder, policy, hold).await
    }

    async fn of(folder: PathBuf, policy: Policy, hold: Duration) -> Self {
        let opened = Store::open(&folder.join("state"), &state::Options::default()).unwrap();
        let store = Arc::new(opened.store);
        let board = Arc::new(Board::open(Arc::clone(&store)).unwrap());
        let (ends, shutdown) = watch::channel(false);
        let settings = Settings {
            hold,
            ..Settings::default()
        };
        let server = Server::new(
            Arc::clone(&board),
            settings,
            Arc::new(ByPeer),
            Arc::new(policy),
            shutdown,
        );
        let ledger = Ledger::new(Arc::clone(&store), Arc::new(Masker::new()));
        let server = Arc::new(server.audited_by(ledger));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(Arc::clone(&server).serve(Listener::Tcp(listener)));
        Self {
            address,
            board,
            server,
            store,
            ends,
            folder,
        }
    }

    pub(crate) async fn publish(&self, namespace: &str, release: Release) {
        let key = Key::new("shop", "default", namespace).unwrap();
        self.board.publish(key, release).await.unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        get(self.address, path, "").await
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.ends.send_replace(true);
        // What is left is in the folder for such things.
        drop(fs::remove_dir_all(&self.folder));
    }
}

pub(crate) fn release(key: &str, entries: &[(&str, &str)]) -> Release {
    let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Release::new(key, entries.iter().map(own).collect::<BTreeMap<_, _>>())
}

/// Status and body of an answer to `GET path` with further header lines.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}
