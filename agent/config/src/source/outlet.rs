//! The way of a source's readings into the pipeline: the latest one, never a queue.

use tokio::sync::watch;

use super::{Reading, SourceError};

type Slot = Option<Result<Reading, SourceError>>;

/// Where a source puts what it read.
#[derive(Debug)]
pub struct Outlet(watch::Sender<Slot>);

/// Where the pipeline finds it.
#[derive(Debug)]
pub(crate) struct Inlet(watch::Receiver<Slot>);

/// A way for one source.
pub(crate) fn channel() -> (Outlet, Inlet) {
    let (sender, receiver) = watch::channel(None);
    (Outlet(sender), Inlet(receiver))
}

impl Outlet {
    /// Hands over a reading; one that was not taken yet is replaced.
    pub fn put(&self, reading: Result<Reading, SourceError>) {
        self.0.send_replace(Some(reading));
    }
}

impl Inlet {
    /// Waits for a reading that was not seen yet. Never returns once the source has ended.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns once there is a reading, taken or not.
    pub(crate) async fn filled(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(Slot::is_some).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The newest reading, if there is one.
    pub(crate) fn take(&mut self) -> Slot {
        self.0.borrow_and_update().clone()
    }
}
