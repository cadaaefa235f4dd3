//! Connections of HTTP servers: hyper on a stream, one task per connection.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::{
    caller::{Peer, Proof, spiffe_ids},
    net::Stream,
};

/// Bytes of a connection's read buffer. hyper takes no less; a held long poll keeps it.
const BUFFER: usize = 8 * 1024;
/// How long a client may take to send the head of a request, or to agree on encryption.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause after a failed accept: trying again at once would only burn the processor.
const PAUSE: Duration = Duration::from_millis(50);
/// How long open connections may finish their requests at the end.
const DRAIN: Duration = Duration::from_secs(2);

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

/// Turns `true` when a server should end. Held long polls are answered at once.
pub type Shutdown = watch::Receiver<bool>;

/// Returns once the server should end.
pub(crate) async fn ending(shutdown: &mut Shutdown) {
    // An error says that nobody is left to turn it true, which is an end as well.
    drop(shutdown.wait_for(|ends| *ends).await);
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) peer: Peer,
    /// What its certificate proves.
    pub(crate) proofs: Arc<[Proof]>,
}

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        origin: Origin,
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
                    let tls = match &listener {
                        Listener::Tls(_, config) => Some(TlsAcceptor::from(Arc::clone(config))),
                        _ => None,
                    };
                    connections.spawn(connection(stream, peer, tls, handler, shutdown.clone()));
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
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

async fn next(listener: &Listener) -> io::Result<(Box<dyn Stream>, Peer)> {
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
    let secured = match tls {
        None => Ok((stream, Vec::new())),
        Some(tls) => encrypt(stream, &tls).await,
    };
    let (stream, proofs) = match secured {
        Ok(secured) => secured,
        Err(error) => {
            debug!(%error, ?peer, "no encryption was agreed on");
            return;
        }
    };
    let origin = Origin {
        peer,
        proofs: proofs.into(),
    };
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        let origin = origin.clone();
        async move { Ok::<_, Infallible>(handler.handle(request, origin).await) }
    });
    let served = http1::Builder::new()
        .max_buf_size(BUFFER)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = ending(&mut shutdown) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

/// The encrypted stream, and what the client's verified certificate proves.
async fn encrypt(
    stream: Box<dyn Stream>,
    tls: &TlsAcceptor,
) -> io::Result<(Box<dyn Stream>, Vec<Proof>)> {
    let agreed = tokio::time::timeout(PATIENCE, tls.accept(stream)).await??;
    let shown = agreed.get_ref().1.peer_certificates();
    let proofs = shown.and_then(<[_]>::first).map(spiffe_ids);
    Ok((Box::new(agreed), proofs.unwrap_or_default()))
}
