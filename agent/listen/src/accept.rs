//! Connections: taken, encrypted where the listener says so, and given to whoever serves them.

use std::{io, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::{Certificate, Origin, Peer};

/// How long a client may take to agree on encryption.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept (no descriptors left): trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
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

/// A connected stream of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Turns `true` when a server should end. Held long polls are answered at once.
pub type Shutdown = watch::Receiver<bool>;

/// Returns once the server should end.
pub async fn ending(shutdown: &mut Shutdown) {
    // An error says that nobody is left to turn it true, which is an end as well.
    drop(shutdown.wait_for(|ends| *ends).await);
}

/// Gives every connection to `serve` until `shutdown`, each in a task of its own, then lets those that are
/// open finish.
pub async fn accept<S, F>(listener: Listener, mut shutdown: Shutdown, serve: S)
where
    S: Fn(Box<dyn Stream>, Origin, Shutdown) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = ending(&mut shutdown) => break,
            Some(_ended) = connections.join_next() => {}
            accepted = next(&listener) => match accepted {
                Ok((stream, peer)) => {
                    let tls = listener.encryption();
                    let (serve, shutdown) = (serve.clone(), shutdown.clone());
                    connections.spawn(async move {
                        if let Some((stream, certificate)) = secured(stream, &peer, tls).await {
                            serve(stream, Origin { peer, certificate }, shutdown).await;
                        }
                    });
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
        let open = connections.len();
        debug!(open, "connections are closed unanswered");
    }
}

impl Listener {
    /// What makes its connections private, if they are to be.
    fn encryption(&self) -> Option<TlsAcceptor> {
        match self {
            Self::Tls(_, config) => Some(TlsAcceptor::from(Arc::clone(config))),
            _ => None,
        }
    }
}

/// The next connection, with what the kernel says of its other end.
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

/// The connection as its listener wants it: encrypted or as it is, with the certificate that the client
/// showed; `None` when no encryption was agreed on.
async fn secured(
    stream: Box<dyn Stream>,
    peer: &Peer,
    tls: Option<TlsAcceptor>,
) -> Option<(Box<dyn Stream>, Certificate)> {
    let Some(tls) = tls else {
        return Some((stream, Certificate::default()));
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
) -> io::Result<(Box<dyn Stream>, Certificate)> {
    let agreed = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await??;
    let shown = agreed.get_ref().1.peer_certificates();
    let certificate = shown.and_then(|chain| chain.first()).map(Certificate::read);
    Ok((Box::new(agreed), certificate.unwrap_or_default()))
}
