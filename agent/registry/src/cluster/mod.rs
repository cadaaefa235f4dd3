//! Many registries as one: each tells the others what it has, through etcd, and shows what they have.
//!
//! [`Cluster::join`] starts one task. A connection to etcd begins with the read of all keys at one revision
//! ([`reader`]) and goes on with a watch from the next; what this node has is written where it differs
//! ([`writer`]). Whatever goes wrong ends the connection, and the next one begins from the start: there is one
//! way to get right, and it is walked every time. Nobody who asks the registry waits for any of this.

mod backend;
mod book;
mod keys;
mod leases;
mod reader;
mod record;
mod session;
mod settings;
mod writer;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use self::{
    backend::{BackendError, Endpoints, Gate},
    keys::Keys,
    reader::Reader,
    session::Session,
    writer::Writer,
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
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

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
        settings.check()?;
        let endpoints = Endpoints::new(&settings)?;
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
            settings.lease_ttl,
            settings.keys_per_lease,
        );
        let gate = Gate::new(Breaker::new(settings.breaker), Arc::clone(&shared));
        let session = Session {
            registry: registry.clone(),
            shared,
            settings,
            keys,
            reader,
            writer,
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
        // Who was connected for a while begins anew with the short pauses.
        failures = match begin.elapsed() > LONGEST_PAUSE * 5 {
            true => 1,
            false => failures + 1,
        };
        tell(&session.shared, &error);
        tokio::time::sleep(pause(failures)).await;
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
        if gate.allow() {
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

/// Twice as long after each failure, and for each node a different part of it: they do not all come back at
/// the same moment.
fn pause(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    let whole = doubled.min(LONGEST_PAUSE);
    let random = RandomState::new().build_hasher().finish();
    let part = f64::from((random >> 32) as u32) / f64::from(u32::MAX);
    whole.mul_f64(0.5 + part / 2.0)
}
