//! Many registries as one: each tells the others what it has, through etcd, and shows what they have.
//!
//! [`Cluster::join`] starts one task. A connection to etcd begins with the read of all keys at one revision
//! ([`reader`]) and goes on with a watch from the next; what this node has is written where it differs
//! ([`writer`]). Whatever goes wrong ends the connection, and the next one begins from the start: there is one
//! way to get right, and it is walked every time. Nobody who asks the registry waits for any of this.

mod backend;
mod book;
mod endpoints;
mod gate;
mod keys;
mod leases;
mod reach;
mod reader;
mod record;
mod selection;
mod session;
mod settings;
mod writer;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinHandle};

use self::{
    backend::BackendError, endpoints::Endpoints, gate::Gate, keys::Keys, reader::Reader,
    session::Session, writer::Writer,
};
use crate::{
    Registry, RegistryError,
    degrade::{Breaker, Shared},
    engine::Remote,
    error::chain,
};

pub use settings::{JoinError, Settings, TlsFiles, User};

/// The part of etcd's protocol that is spoken here: `proto/etcd/rpc.proto`.
#[expect(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "the code is generated; its documentation is that of the proto file"
)]
pub mod proto {
    tonic::include_proto!("etcdserverpb");
}

/// The pause after the first failure; it doubles with each one that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause while etcd cannot be reached.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The longest pause while etcd does not want us.
const LONGEST_DENIAL: Duration = Duration::from_secs(60);

/// A registry's part in a cluster. It leaves when this is dropped; what it told the others stays for the time
/// of a lease, so that a restart goes unnoticed.
#[derive(Debug)]
pub struct Cluster {
    task: JoinHandle<()>,
}

impl Cluster {
    /// Joins. Returns at once: etcd need not be there, and what was last known of other nodes is shown
    /// until it is. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the settings cannot be used, or the registry has joined before.
    pub async fn join(registry: &Registry, settings: Settings) -> Result<Self, JoinError> {
        let (_, complete) = watch::channel(true);
        Self::join_incomplete(registry, settings, complete).await
    }

    /// Joins while not all is registered yet that runs on this node: others are told what there is once
    /// `complete` says so, and until then keep what they know of a life before this one.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub async fn join_incomplete(
        registry: &Registry,
        settings: Settings,
        complete: watch::Receiver<bool>,
    ) -> Result<Self, JoinError> {
        if let Some(problem) = settings.problems().into_iter().next() {
            return Err(problem);
        }
        let endpoints = Endpoints::new(&settings);
        let identity = registry.identity().await;
        let identity = identity.map_err(|error| JoinError::Identity(Box::new(error)))?;
        let shared = Arc::new(Shared::new(settings.freshness, Instant::now()));
        if !registry.join(Arc::clone(&shared)) {
            return Err(JoinError::Joined);
        }
        let keys = Keys::new(&settings.prefix);
        let reader = Reader::new(
            registry.clone(),
            Arc::clone(&shared),
            keys.clone(),
            settings.protection,
        );
        let writer = Writer::new(
            registry.clone(),
            Arc::clone(&shared),
            keys.clone(),
            identity,
            &settings,
            complete.clone(),
        );
        let gate = Gate::new(Breaker::new(settings.breaker), Arc::clone(&shared));
        let session = Session {
            registry: registry.clone(),
            shared,
            settings,
            keys,
            reader,
            writer,
            complete,
        };
        let task = tokio::spawn(follow(session, endpoints, gate));
        Ok(Self { task })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Forgets other nodes: for a registry that was in a cluster once, and is alone now.
///
/// # Errors
/// When the state does not take it.
pub async fn forget(registry: &Registry) -> Result<(), RegistryError> {
    let nodes = registry.remote_nodes().into_iter().map(Remote::NodeGone);
    registry.take_remote(nodes.collect()).await.map(drop)
}

/// Connects again and again.
async fn follow(mut session: Session, mut endpoints: Endpoints, gate: Gate) {
    let mut failures = 0;
    loop {
        let begin = Instant::now();
        let error = match endpoints.connect(&gate).await {
            Ok(backend) => match session.run(&backend).await {
                Ok(never) => match never {},
                Err(error) => error,
            },
            Err(error) => error,
        };
        if let BackendError::BreakerOpen = error {
            wait_for_trial(&mut session, &mut endpoints, &gate).await;
            continue;
        }
        let longest = match error.is_denial() {
            true => LONGEST_DENIAL,
            false => LONGEST_PAUSE,
        };
        failures = failures_after(failures, begin.elapsed(), longest);
        tell(&session.shared, &error);
        tokio::time::sleep(jittered(pause(failures, longest))).await;
        look(&mut session).await;
    }
}

/// While the breaker is open: asks now and then whether the back end is there again.
async fn wait_for_trial(session: &mut Session, endpoints: &mut Endpoints, gate: &Gate) {
    session.shared.set_connected(false);
    loop {
        tokio::time::sleep(session.settings.breaker.probe_every).await;
        look(session).await;
        if endpoints.probe().await {
            gate.half_open();
            return;
        }
        if !gate.is_open() {
            return;
        }
    }
}

/// What is held back may have to go, with the back end or without it.
async fn look(session: &mut Session) {
    if let Err(error) = session.reader.release().await {
        tracing::error!(%error, "the state does not take what is to go");
    }
}

fn tell(shared: &Shared, error: &BackendError) {
    let text = chain(error);
    let was_connected = shared.set_connected(false);
    shared.update(|status| {
        let is_news = was_connected || status.last_error != text;
        if is_news {
            tracing::warn!(error = text, "the cluster is not followed");
        }
        status.failures += 1;
        status.last_error = text;
    });
}

/// Failures in a row, with the one that ended a connection of this length. Who was connected for several
/// times the last pause begins anew with the short ones.
fn failures_after(before: u32, connected: Duration, longest: Duration) -> u32 {
    match connected > pause(before, longest) * 5 {
        true => 1,
        false => before.saturating_add(1),
    }
}

/// Twice as long after each failure.
fn pause(failures: u32, longest: Duration) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    doubled.min(longest)
}

/// For each node a different part of it: they do not all come back at the same moment.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let part = f64::from((random >> 32) as u32) / f64::from(u32::MAX);
    pause.mul_f64(0.5 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etcd_that_does_not_want_us_is_asked_once_a_minute_at_last() {
        let mut failures = 0;
        let mut asked = 0;
        let mut time = Duration::ZERO;
        while time < Duration::from_secs(600) {
            failures = failures_after(failures, Duration::from_millis(80), LONGEST_DENIAL);
            asked += 1;
            // The shortest that the pause can be.
            time += pause(failures, LONGEST_DENIAL) / 2;
        }
        assert!(asked <= 30, "{asked} times in ten minutes");
    }

    #[test]
    fn one_that_is_gone_is_found_again_within_two_seconds() {
        assert_eq!(pause(1, LONGEST_PAUSE), FIRST_PAUSE);
        assert_eq!(pause(u32::MAX, LONGEST_PAUSE), LONGEST_PAUSE);
    }

    #[test]
    fn a_connection_that_lasted_makes_the_pauses_short_again() {
        let second = Duration::from_secs(1);
        assert_eq!(failures_after(1, second, LONGEST_DENIAL), 1);
        assert_eq!(failures_after(7, second, LONGEST_DENIAL), 8);
        assert_eq!(failures_after(7, 60 * second, LONGEST_DENIAL), 1);
    }
}
