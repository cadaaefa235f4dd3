//! HTTP/1.1, as thin as it can be: hyper on a stream, one task per connection.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tracing::debug;

use crate::{Aside, Listener, Origin, Shutdown, Stream, accept, ending};

/// Bytes of a connection's read buffer. hyper takes no less; a held long poll keeps it.
const BUFFER: usize = 8 * 1024;
/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// What is known of who is at the other end of a connection.
    type Guest: Clone + Send + Sync + 'static;

    /// Finds out who has connected. Asked once for each connection, whose first request waits for it.
    fn meet(&self, origin: Origin) -> impl Future<Output = Self::Guest> + Send;

    /// Answers one request of `guest`.
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        guest: Self::Guest,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Answers whoever connects, until `shutdown`; requests that are under way are answered still.
pub async fn serve(listener: Listener, handler: Arc<impl Handler>, shutdown: Shutdown) {
    let serve =
        move |stream, origin, shutdown| connection(stream, origin, Arc::clone(&handler), shutdown);
    accept(listener, shutdown, serve).await;
}

async fn connection(
    stream: Box<dyn Stream>,
    origin: Origin,
    handler: Arc<impl Handler>,
    mut shutdown: Shutdown,
) {
    let guest = handler.meet(origin).await;
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
