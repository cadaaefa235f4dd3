//! Where batches go: back ends of all kinds, and how one takes the place of another.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::outcome::{Outcome, Policy};

/// One kind of back end.
pub(super) trait Backend: Send + Sync + 'static {
    /// What is queued.
    type Item: Send + Sync + 'static;
    /// An encoded batch; it is encoded once and may be sent several times.
    type Request: Send + Sync;

    /// Bytes of an item in a request, roughly.
    fn weight(item: &Self::Item) -> usize;

    /// Turns a batch into a request.
    fn encode(&mut self, batch: &[Self::Item]) -> Self::Request;

    /// Sends a request once.
    fn send(&self, request: &Self::Request) -> impl Future<Output = Outcome> + Send;
}

/// Where batches go: a back end of any kind, with the batch that it is to take next.
pub(super) trait Destination<T>: Send + Sync {
    /// Encodes a batch.
    fn load(&mut self, batch: &[T]);

    /// Sends what was loaded, once.
    fn send(&self) -> BoxFuture<'_, Outcome>;
}

struct Loaded<B: Backend> {
    backend: B,
    request: Option<B::Request>,
}

impl<B: Backend> Destination<B::Item> for Loaded<B> {
    fn load(&mut self, batch: &[B::Item]) {
        self.request = Some(self.backend.encode(batch));
    }

    fn send(&self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            match &self.request {
                Some(request) => self.backend.send(request).await,
                None => Outcome::Delivered {
                    rejected: 0,
                    message: String::new(),
                },
            }
        })
    }
}

/// A back end that is ready and takes no data yet.
pub struct Ready<T> {
    /// Its address, for people.
    pub(super) to: String,
    pub(super) destination: Box<dyn Destination<T>>,
    pub(super) capacity: usize,
    pub(super) weight: fn(&T) -> usize,
    pub(super) policy: Policy,
}

impl<T> fmt::Debug for Ready<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl<T> Ready<T> {
    /// `to` is the address, `capacity` how many items may wait.
    pub(super) fn new<B: Backend<Item = T>>(
        backend: B,
        to: String,
        capacity: usize,
        policy: Policy,
    ) -> Self {
        Self {
            to,
            destination: Box::new(Loaded {
                backend,
                request: None,
            }),
            capacity,
            weight: B::weight,
            policy,
        }
    }
}

/// The way of a new destination to the worker.
pub(super) struct Replacement<T> {
    next: Mutex<Option<Box<dyn Destination<T>>>>,
    pub(super) news: Notify,
}

impl<T> Replacement<T> {
    /// No destination is on its way.
    pub(super) fn new() -> Self {
        Self {
            next: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Leaves a destination for the worker.
    pub(super) fn put(&self, destination: Box<dyn Destination<T>>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(destination);
        self.news.notify_one();
    }

    /// Takes it, if there is one.
    pub(super) fn take(&self) -> Option<Box<dyn Destination<T>>> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.take()
    }
}
