//! The settings in effect, for whoever follows them.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;

use super::Config;

/// The settings in effect. Whoever reads them sees those of one generation and never waits.
#[derive(Clone, Debug)]
pub struct Live {
    current: Arc<ArcSwap<Config>>,
    changed: watch::Receiver<u64>,
}

/// Changes the settings in effect.
#[derive(Clone, Debug)]
pub struct LiveSender {
    current: Arc<ArcSwap<Config>>,
    changes: watch::Sender<u64>,
}

impl LiveSender {
    /// Begins with these.
    #[must_use]
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            current: Arc::new(ArcSwap::new(config)),
            changes: watch::Sender::new(0),
        }
    }

    /// A place to read them from.
    #[must_use]
    pub fn live(&self) -> Live {
        Live {
            current: Arc::clone(&self.current),
            changed: self.changes.subscribe(),
        }
    }

    /// The settings now.
    #[must_use]
    pub fn now(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Puts others in effect, all at once.
    pub fn send(&self, config: Arc<Config>) {
        self.current.store(config);
        self.changes.send_modify(|changes| *changes += 1);
    }
}

impl Live {
    /// Settings that never change.
    #[must_use]
    pub fn fixed(config: Config) -> Self {
        LiveSender::new(Arc::new(config)).live()
    }

    /// The settings now. Not to be held over a wait.
    #[must_use]
    pub fn now(&self) -> Guard<Arc<Config>> {
        self.current.load()
    }

    /// Waits until they differ from those that were there at the last call, or since this was made. Never
    /// returns when nobody is left who could change them.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
