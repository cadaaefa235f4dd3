//! What seldom happens, waited for beside what happens often.

use std::{fmt, future::pending, pin::Pin};

use futures_util::{StreamExt, stream::FuturesUnordered};

type Event<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Waits for rare events without looking at them again each time that something else wakes the task: only an
/// event that came is polled. A shutdown that thousands of tasks wait for would cost each of their wakes a
/// lock that they all share.
pub struct Aside<T>(FuturesUnordered<Event<T>>);

impl<T> fmt::Debug for Aside<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Aside").field(&self.0.len()).finish()
    }
}

impl<T> Aside<T> {
    /// Waits for `event`.
    pub fn of(event: impl Future<Output = T> + Send + 'static) -> Self {
        let aside = Self(FuturesUnordered::new());
        aside.add(event);
        aside
    }

    /// Waits for `event` as well.
    pub fn add(&self, event: impl Future<Output = T> + Send + 'static) {
        self.0.push(Box::pin(event));
    }

    /// The next event that comes; never returns when there is none to wait for.
    pub async fn next(&mut self) -> T {
        match self.0.next().await {
            Some(event) => event,
            None => pending().await,
        }
    }
}
