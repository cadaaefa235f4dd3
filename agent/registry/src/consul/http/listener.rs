//! Where callers connect.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::{
    Peer,
    aside::Aside,
    caller::{Door, Guest},
    certificate,
};

/// Bytes of a connection's read buffer. hyper takes no less; a held long poll keeps it.
const BUFFER: usize = 8 * 1024;
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to agree on encryption.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept (no descriptors left): trying again at once would only burn the processor.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long open connections may finish their requests at the end.
pub(crate) const DRAIN: Duration = Duration::from_secs(2);

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// TCP, encrypted.
    Tls(TcpListener, Arc<ServerConfig>),
    /// A Unix socket; the kernel says who connects.
    Unix(UnixListener),
}

/// Turns `true` when the server should end. Held long polls are answered at once.
pub type Shutdown = watch::Receiver<bool>;

/// Returns once the server should end.
pub(crate) async fn ending(shutdown: &mut Shutdown) {
    // An error says that nobody is left to turn it true, which is an end as well.
    drop(shutdown.wait_for(|ends| *ends).await);
}

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Who is at the other end of its connections.
    fn door(&self) -> &Door;

    /// Answers one request of `guest`.
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        guest: Guest,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Accepts connections until `shutdown`, then lets those that are open finish.
pub(crate) async fn accept(listener: Listener, handler: Arc<impl Handler>, mut shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = ending(&mut shutdown) => break,
            Some(_ended) = connections.join_next() => {}
            accepted = next(&listener) => match accepted {
                Ok((stream, peer)) => {
                    let handler = Arc::clone(&handler);
                    let tls = listener.encryption();
                    connections.spawn(connection(stream, peer, tls, handler, shutdown.clone()));
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        debug!(
            open = connections.len(),
            "connections are closed unanswered"
        );
    }
}

/// A connected stream of either kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    /// What makes its connections private, if they are to be.
    pub(crate) fn encryption(&self) -> Option<TlsAcceptor> {
        match self {
            Self::Tls(_, config) => Some(TlsAcceptor::from(Arc::clone(config))),
            _ => None,
        }
    }
}

/// The next connection, with what the kernel says of its other end.
pub(crate) async fn next(listener: &Listener) -> io::Result<(Box<dyn Stream>, Peer)> {
    match listener {
        Listener::Tcp(listener) | Listener::Tls(listener, _) => {
            let (stream, remote) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let local = stream.local_addr()?;
            Ok((Box::new(stream), Peer::Tcp { remote, local }))
        }
        Listener::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            let peer = unix_peer(&stream)?;
            Ok((Box::new(stream), peer))
        }
    }
}

fn unix_peer(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
    Ok(Peer::Unix {
        pid: pid.unwrap_or(0),
        uid: credentials.uid(),
    })
}

async fn connection(
    stream: Box<dyn Stream>,
    peer: Peer,
    tls: Option<TlsAcceptor>,
    handler: Arc<impl Handler>,
    mut shutdown: Shutdown,
) {
    let Some((stream, names)) = secured(stream, &peer, tls).await else {
        return;
    };
    let guest = handler.door().meet(&peer, &names).await;
    let service = service_fn(move |request| {
        let (handler, guest) = (Arc::clone(&handler), guest.clone());
        async move { Ok::<_, Infallible>(handler.handle(request, guest).await) }
    });
    let served = http1::Builder::new()
        .max_buf_size(BUFFER)
        .title_case_headers(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let mut ends = Aside::of(async move { ending(&mut shutdown).await });
    let ended = tokio::select! {
        biased;
        ended = served.as_mut() => ended,
        () = ends.next() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

/// The connection as its listener wants it: encrypted or as it is, with the names in the certificate that the
/// client showed; `None` when no encryption was agreed on.
pub(crate) async fn secured(
    stream: Box<dyn Stream>,
    peer: &Peer,
    tls: Option<TlsAcceptor>,
) -> Option<(Box<dyn Stream>, Vec<String>)> {
    let Some(tls) = tls else {
        return Some((stream, Vec::new()));
    };
    match encrypt(stream, &tls).await {
        Ok(agreed) => Some(agreed),
        Err(error) => {
            debug!(%error, ?peer, "no encryption was agreed on");
            None
        }
    }
}

async fn encrypt(
    stream: Box<dyn Stream>,
    tls: &TlsAcceptor,
) -> io::Result<(Box<dyn Stream>, Vec<String>)> {
    let agreed = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await??;
    let shown = agreed.get_ref().1.peer_certificates();
    let names = shown
        .and_then(|chain| chain.first())
        .map(certificate::names);
    Ok((Box::new(agreed), names.unwrap_or_default()))
}
