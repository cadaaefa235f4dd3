//! Documents of a node and orders to it, behind roles, over HTTP.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use config::{
    Access, Archive, Masker,
    caller::{ByPeer, Door, Reader, Tokens},
    listen::Listener,
    roles::{Ledger, Policy},
    serve::{Server, control::Control},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::Node;

/// The servers of a node; they end with it.
pub(crate) struct Served {
    /// Where documents are read.
    pub(crate) documents: SocketAddr,
    /// Where orders are given.
    pub(crate) control: SocketAddr,
    server: Arc<Server>,
    end: watch::Sender<bool>,
}

/// Status and body.
pub(crate) type Answer = (u16, String);

/// The token `NAME` has the accessor `NAME` when it begins with `known-`.
struct Known;

impl Tokens for Known {
    fn accessor(&self, secret: &str) -> Option<String> {
        secret.starts_with("known-").then(|| secret.to_owned())
    }
}

impl Served {
    pub(crate) async fn start(node: &Node, policy: Policy) -> Self {
        let masker = Arc::new(Masker::new());
        let access: Arc<dyn Access<Reader>> = Arc::new(policy);
        let ledger = Ledger::new(Arc::clone(&node.store), Arc::clone(&masker));
        let door = Door::new(Arc::new(ByPeer), Arc::new(Known));
        let server = Server {
            documents: Arc::clone(node.watcher.documents()),
            access: Arc::clone(&access),
            mask: masker,
            door: door.clone(),
            ledger: ledger.clone(),
        };
        let control = Control {
            archive: Archive::new(Arc::clone(&node.store)),
            watcher: node.watcher.clone(),
            access,
            door,
            ledger,
        };
        let (end, ends) = watch::channel(false);
        let (listener, address) = bound().await;
        tokio::spawn(Arc::new(control).serve(listener, ends));
        let (listener, documents) = bound().await;
        let served = Self {
            documents,
            control: address,
            server: Arc::new(server),
            end,
        };
        served.also_at(listener);
        served
    }

    /// Serves documents at another address, too.
    pub(crate) fn also_at(&self, listener: Listener) {
        let server = Arc::clone(&self.server);
        tokio::spawn(server.serve_http(listener, self.end.subscribe()));
    }
}

async fn bound() -> (Listener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("bound");
    let address = listener.local_addr().expect("known");
    (Listener::Tcp(listener), address)
}

/// Asks `what`, such as `GET /v1/config/dev/app`, as the holder of a token.
pub(crate) async fn ask(address: SocketAddr, what: &str, token: &str, body: &str) -> Answer {
    let stream = TcpStream::connect(address).await.expect("connected");
    ask_over(stream, what, token, body).await
}

/// The same over a connection of any kind; without a token when it is empty.
pub(crate) async fn ask_over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    what: &str,
    token: &str,
    body: &str,
) -> Answer {
    let shown = match token {
        "" => String::new(),
        token => format!("X-Golens-Token: {token}\r\n"),
    };
    let length = body.len();
    let head = format!("{what} HTTP/1.0\r\nHost: golens\r\nContent-Length: {length}\r\n");
    let request = format!("{head}{shown}\r\n{body}");
    stream.write_all(request.as_bytes()).await.expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    (status.expect("a status"), body.to_owned())
}
