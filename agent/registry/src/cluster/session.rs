//! One connection to etcd, from the read of everything to the first thing that goes wrong.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval_at},
};
use tonic::Status;

use super::{
    backend::{Backend, BackendError, Watch},
    keys::Keys,
    proto,
    reader::{Reader, Seen},
    settings::Settings,
    writer::Writer,
};
use crate::{Registry, degrade::Shared};

/// A watch is asked for a sign of life this often.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Events that are taken at one time, or a few more.
const MOST_EVENTS: usize = 1_000;
/// What is held back is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What stays from one connection to the next.
pub(super) struct Session {
    pub(super) registry: Registry,
    pub(super) shared: Arc<Shared>,
    pub(super) settings: Settings,
    pub(super) keys: Keys,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    /// Says when all is registered that runs on this node.
    pub(super) complete: watch::Receiver<bool>,
}

impl Session {
    /// Reads and follows etcd until something goes wrong.
    pub(super) async fn run(&mut self, backend: &Backend) -> Result<Infallible, BackendError> {
        let mut seen = self.read_everything(backend).await?;
        let mut watch = backend.watch(self.keys.all(), seen + 1).await?;
        self.writer.renew(backend).await?;
        self.writer.flush(backend).await?;
        self.shared.set_connected(true);
        self.shared.update(|status| status.last_error.clear());
        tracing::info!(endpoint = backend.endpoint(), "the cluster is followed");
        let mut renewals = every(self.settings.lease_ttl / 3);
        let mut comparisons = every(self.settings.compare_every);
        let mut asks = every(ASK_EVERY);
        let mut looks = every(LOOK_EVERY);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                response = watch.responses.message() => {
                    heard = Instant::now();
                    let mut events = self.news(backend, response, seen)?;
                    // etcd tells each revision by itself; what is here already shares a commit.
                    while events.len() < MOST_EVENTS
                        && let Some(response) = watch.responses.message().now_or_never()
                    {
                        events.extend(self.news(backend, response, seen)?);
                    }
                    self.take(backend, events, &mut seen).await?;
                }
                Ok(()) = self.complete.changed() => self.writer.flush(backend).await?,
                () = self.registry.outward().changed() => self.writer.flush(backend).await?,
                _ = renewals.tick() => self.writer.renew(backend).await?,
                _ = comparisons.tick() => {
                    seen = self.read_everything(backend).await?;
                    self.writer.flush(backend).await?;
                }
                _ = asks.tick() => self.ask(backend, &watch, heard)?,
                _ = looks.tick() => self.reader.release().await?,
            }
        }
    }

    /// Reads all keys at one revision: nodes first, for instances need theirs.
    async fn read_everything(&mut self, backend: &Backend) -> Result<i64, BackendError> {
        self.shared.update(|status| status.resyncs += 1);
        self.writer.forget(self.settings.keys_per_lease);
        let mut seen = Seen::default();
        let mut revision = 0;
        for range in [self.keys.nodes(), self.keys.all()] {
            let mut left = Some(range);
            while let Some(range) = left {
                let page = backend.page(range, revision).await?;
                (revision, left) = (page.revision, page.next);
                let writer = &mut self.writer;
                self.reader.page(page.kvs, &mut seen, writer).await?;
            }
        }
        self.reader.complete(seen, &mut self.writer).await?;
        Ok(revision)
    }

    /// What a response of the watch tells that is not known yet.
    fn news(
        &self,
        backend: &Backend,
        response: Result<Option<proto::WatchResponse>, Status>,
        seen: i64,
    ) -> Result<Vec<proto::Event>, BackendError> {
        let response = response.map_err(|status| backend.watch_ended(Some(status)))?;
        let response = response.ok_or_else(|| backend.watch_ended(None))?;
        if response.compact_revision > 0 {
            return Err(BackendError::Compacted);
        }
        if response.canceled {
            let reason = Status::aborted(response.cancel_reason);
            return Err(backend.watch_ended(Some(reason)));
        }
        self.shared.contact(Instant::now());
        // What a comparison has seen already is not taken twice.
        let is_new =
            |event: &proto::Event| event.kv.as_ref().is_some_and(|kv| kv.mod_revision > seen);
        Ok(response.events.into_iter().filter(is_new).collect())
    }

    async fn take(
        &mut self,
        backend: &Backend,
        events: Vec<proto::Event>,
        seen: &mut i64,
    ) -> Result<(), BackendError> {
        let revisions = events.iter().filter_map(|event| event.kv.as_ref());
        let Some(newest) = revisions.map(|kv| kv.mod_revision).max() else {
            return Ok(());
        };
        self.reader.events(events, &mut self.writer).await?;
        *seen = newest;
        self.writer.flush(backend).await
    }

    /// Asks the watch for a sign of life, and gives it up when the last one is too long ago.
    fn ask(&self, backend: &Backend, watch: &Watch, heard: Instant) -> Result<(), BackendError> {
        if heard.elapsed() > ASK_EVERY + self.settings.call_timeout {
            return Err(backend.watch_silent());
        }
        watch.ask_progress();
        Ok(())
    }
}

fn every(period: Duration) -> Interval {
    let period = period.max(Duration::from_millis(100));
    let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
