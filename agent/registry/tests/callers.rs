//! Who calls, and how much of it they may do: two clients behind one address do not share a budget.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on must stop where it is"
)]

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use registry::{
    ByPeer, CallerIdentity, Identified, Limiter, Limits, Options, Peer, ProbeOptions, Registry,
    consul::{self, Server, Settings},
    listen::Listener,
    state::{
        self,
        tokens::{self, NewToken, Right, Rights, TokenError},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
};

/// Four requests at once, and two that wait.
const LIMITS: Limits = Limits {
    requests_per_second: 1,
    burst: 4,
    waits: 2,
    callers: 100,
};

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("golens-callers-{}", state::random_hex::<8>().unwrap());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Identifies as the default does, and keeps what it saw.
#[derive(Debug, Default)]
struct Watching(Mutex<Vec<Peer>>);

impl CallerIdentity for Watching {
    fn identify(&self, peer: &Peer) -> Identified<'_> {
        self.0.lock().unwrap().push(*peer);
        ByPeer.identify(peer)
    }
}

struct Running {
    registry: Registry,
    address: SocketAddr,
    socket: PathBuf,
    identity: Arc<Watching>,
    _folder: Folder,
    _end: watch::Sender<bool>,
}

async fn start(anonymous: Rights) -> Running {
    start_with(anonymous, LIMITS).await
}

async fn start_with(anonymous: Rights, limits: Limits) -> Running {
    let folder = Folder::new();
    let settings = Settings {
        anonymous: Arc::new(anonymous),
        ..Settings::default()
    };
    let options = Options {
        node: settings.node("node-1", BTreeMap::new()),
        node_checks: Vec::new(),
        state: state::Options::default(),
        probes: ProbeOptions::default(),
        snapshot_interval: None,
    };
    let file = folder.path().join("state.redb");
    let (registry, _) = Registry::open(&file, options).await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let socket = folder.path().join("http.sock");
    let listeners = vec![
        Listener::Tcp(listener),
        Listener::Unix(UnixListener::bind(&socket).unwrap()),
    ];
    let identity = Arc::new(Watching::default());
    let (end, ends) = watch::channel(false);
    let server = Server::new(
        registry.clone(),
        settings,
        Arc::clone(&identity) as Arc<dyn CallerIdentity>,
        ends.clone(),
    );
    let server = server.limited_by(Arc::new(Limiter::new(limits)));
    tokio::spawn(consul::serve(listeners, server, ends));
    Running {
        registry,
        address,
        socket,
        identity,
        _folder: folder,
        _end: end,
    }
}

struct Client(SendRequest<Empty<Bytes>>);

impl Client {
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (requests, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(requests)
    }

    async fn tcp(running: &Running) -> Self {
        Self::over(TcpStream::connect(running.address).await.unwrap()).await
    }

    async fn get(&mut self, path: &str, token: Option<&str>) -> Response<Incoming> {
        let mut request = Request::get(path).header("host", "node");
        if let Some(token) = token {
            request = request.header("x-consul-token", token);
        }
        self.0.ready().await.unwrap();
        let response = self.0.send_request(request.body(Empty::new()).unwrap());
        response.await.unwrap()
    }

    /// The statuses of so many requests, one after the other.
    async fn statuses(&mut self, count: usize, token: Option<&str>) -> Vec<u16> {
        let mut statuses = Vec::new();
        for _ in 0..count {
            let response = self.get("/v1/catalog/services", token).await;
            statuses.push(response.status().as_u16());
            response.into_body().collect().await.unwrap();
        }
        statuses
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_connections_from_one_address_have_a_budget_each() {
    let running = start(Rights::all()).await;
    let (mut greedy, mut modest) = (Client::tcp(&running).await, Client::tcp(&running).await);
    assert_eq!(
        greedy.statuses(6, None).await,
        [200, 200, 200, 200, 429, 429]
    );
    assert_eq!(modest.statuses(2, None).await, [200, 200]);
    let refused = greedy.get("/v1/catalog/services", None).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "1");
    let text = refused.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&text);
    assert!(
        text.starts_with("more than 1 requests per second"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_over_one_connection_have_a_budget_each() {
    let running = start(Rights::none()).await;
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let new = NewToken {
            description: "test".to_owned(),
            rights: Rights::none().grant("default", Right::Read),
            lifetime: None,
        };
        let issue = move |tx: &mut state::Tx<'_>| tokens::issue(tx, new);
        let issued = running.registry.store().write::<_, TokenError>(issue).await;
        secrets.push(issued.unwrap().value.secret);
    }
    let mut client = Client::tcp(&running).await;
    let used_up = [200, 200, 200, 200, 429];
    assert_eq!(client.statuses(5, Some(&secrets[0])).await, used_up);
    assert_eq!(client.statuses(5, Some(&secrets[1])).await, used_up);
    // A secret that is none buys no budget of its own: that of the connection pays.
    let mut guessing = Client::tcp(&running).await;
    let mut statuses = guessing.statuses(4, Some("guess")).await;
    statuses.extend(guessing.statuses(1, Some("another")).await);
    assert_eq!(statuses, [403, 403, 403, 403, 429]);
}

/// Waits for news, and asks again as long as others have the places.
async fn hold(client: &mut Client, poll: &str) {
    while client.get(poll, None).await.status() == StatusCode::TOO_MANY_REQUESTS {}
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_requests_of_one_caller_wait() {
    // The requests below that look whether the places are taken must not use up the budget.
    let limits = Limits {
        burst: 10_000_000,
        ..LIMITS
    };
    let running = start_with(Rights::all(), limits).await;
    // A Unix socket's caller is a process, however many connections it has.
    let connect = async || Client::over(UnixStream::connect(&running.socket).await.unwrap()).await;
    let (mut first, mut second, mut third) = (connect().await, connect().await, connect().await);
    let poll = "/v1/catalog/services?index=1000000&wait=60s";
    let mut held = tokio::task::JoinSet::new();
    held.spawn(async move { hold(&mut first, poll).await });
    held.spawn(async move { hold(&mut second, poll).await });
    // Until both have taken their places, the third gets one and an answer at once.
    let short = "/v1/catalog/services?index=1000000&wait=1ms";
    let refused = loop {
        let answer = third.get(short, None).await;
        match answer.status() {
            StatusCode::OK => drop(answer.into_body().collect().await.unwrap()),
            StatusCode::TOO_MANY_REQUESTS => break answer,
            other => panic!("{other}"),
        }
    };
    let text = refused.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&*text, b"more than 2 requests that wait at one time");
    // Whoever hangs up leaves the place to others.
    held.shutdown().await;
    let process = std::process::id();
    let seen = running.identity.0.lock().unwrap().clone();
    for peer in seen {
        assert!(
            matches!(peer, Peer::Unix { pid, .. } if pid == process),
            "{peer:?}"
        );
    }
}
