//! Connections: HTTP/2 with little memory for each, and with what the kernel says of the other end.

use std::time::Duration;

use http::Request;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use listen::{Aside, Listener, Origin, Shutdown, Stream, ending};
use tonic::service::Routes;
use tower_service::Service;
use tracing::debug;

use super::together::Opened;
use crate::caller::{Door, Guest};

/// A connection whose other end is gone is noticed after this, even if nothing is to be said.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Bytes that wait for a client that does not read, for each of its streams. What is newer waits where it
/// costs nothing: in the registry.
const SEND_BUFFER: usize = 16 * 1024;

/// Streams of one connection: a client that follows every service of a node uses one for each.
const MOST_STREAMS: u32 = 4_096;

/// Answers whoever connects, until `shutdown`; streams are then ended.
pub(super) async fn accept(listener: Listener, routes: Routes, door: Door, shutdown: Shutdown) {
    let serve = move |stream, origin: Origin, shutdown| {
        let (routes, door) = (routes.clone(), door.clone());
        async move {
            let guest = door.meet(&origin).await;
            serve(stream, guest, routes, shutdown).await;
        }
    };
    listen::accept(listener, shutdown, serve).await;
}

/// Serves a connection until it ends. Not an `async fn`: that would keep room for the connection in the
/// task, although it has a place of its own.
fn serve(
    stream: Box<dyn Stream>,
    guest: Guest,
    routes: Routes,
    mut shutdown: Shutdown,
) -> impl Future<Output = ()> + Send {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let mut routes = routes.clone();
        request.extensions_mut().insert(guest.clone());
        async move { routes.call(request).await }
    });
    let opened = Opened::default();
    let mut served = Box::pin(
        http2::Builder::new(opened.clone())
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(PING_INTERVAL))
            .max_concurrent_streams(MOST_STREAMS)
            .max_send_buf_size(SEND_BUFFER)
            .serve_connection(TokioIo::new(stream), service),
    );
    let mut ends = Aside::of(async move { ending(&mut shutdown).await });
    opened.run(async move {
        let ended = tokio::select! {
            biased;
            ended = &mut served => ended,
            () = ends.next() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection ended early");
        }
    })
}
