//! A connection and its streams in one task.
//!
//! A task for each stream would be woken on its own, wake the connection, and have its message sent alone.
//! Together, all streams of a connection that have something to say say it, and then it is sent at once.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use hyper::rt::Executor;

type Stream = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a connection puts the streams that its client opens.
#[derive(Clone, Default)]
pub(super) struct Opened(Arc<Mutex<Vec<Stream>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Opened {
    fn execute(&self, stream: F) {
        self.lock().push(Box::pin(stream));
    }
}

impl Opened {
    fn lock(&self) -> MutexGuard<'_, Vec<Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a connection with the streams that it opens, until it ends.
    pub(super) async fn run(self, connection: impl Future<Output = ()> + Send) {
        let mut parts = FuturesUnordered::new();
        parts.push(Part::Connection(Box::pin(connection)));
        poll_fn(|context| {
            loop {
                match parts.poll_next_unpin(context) {
                    Poll::Ready(Some(Ended::Stream)) => continue,
                    Poll::Ready(Some(Ended::Connection) | None) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
                let opened = std::mem::take(&mut *self.lock());
                if opened.is_empty() {
                    return Poll::Pending;
                }
                parts.extend(opened.into_iter().map(Part::Stream));
            }
        })
        .await;
    }
}

/// What runs in the task of a connection.
enum Part<'a> {
    Connection(Pin<Box<dyn Future<Output = ()> + Send + 'a>>),
    Stream(Stream),
}

/// Which part ran to its end.
enum Ended {
    Connection,
    Stream,
}

impl Future for Part<'_> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        match &mut *self {
            Self::Connection(connection) => connection
                .as_mut()
                .poll(context)
                .map(|()| Ended::Connection),
            Self::Stream(stream) => stream.as_mut().poll(context).map(|()| Ended::Stream),
        }
    }
}
