//! Keys in etcd as a source: a read of everything at one revision, then every change from there on.
//!
//! Every connection begins with a read, so an outage, a restart and a compaction all end the same way: with
//! what is there now.

mod client;

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use tonic::Streaming;

use self::client::{Connection, Members, Range, Snapshot};
use super::{
    Keys, Kind, Outlet, Reading, Source, SourceError, SourceId, Version, backoff::Backoff,
};
use crate::{Secret, Trust};

/// etcd's messages.
#[expect(
    unnameable_types,
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    reason = "the code is generated; its documentation is that of the proto file"
)]
mod proto {
    tonic::include_proto!("etcdserverpb");
}

/// Pauses between tries to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A watch that lived as long as this was a good one.
const GOOD_WATCH: Duration = Duration::from_secs(10);

/// Which keys to read, from where, and as whom.
#[derive(Clone, Debug)]
pub struct EtcdSettings {
    /// Members of the cluster, such as `https://10.0.0.5:2379`; they are tried in turn.
    pub endpoints: Vec<String>,
    /// The keys.
    pub keys: Keys,
    /// User of etcd, if it asks for one.
    pub user: Option<EtcdUser>,
    /// How the members prove themselves, and how we do; for `https` only.
    pub trust: Trust,
}

/// A user of etcd.
#[derive(Clone, Debug)]
pub struct EtcdUser {
    /// Name.
    pub name: String,
    /// Password.
    pub password: Secret,
}

/// Keys in etcd. It is known by its keys: members may come and go.
pub struct EtcdSource {
    keys: Keys,
    members: Members,
    /// The member that was tried last.
    member: AtomicUsize,
    /// For messages: members and keys.
    place: String,
}

impl EtcdSource {
    /// A source; nothing is asked yet.
    ///
    /// # Errors
    /// When there is no endpoint, one is no address, or certificates cannot be read.
    pub fn new(settings: EtcdSettings) -> Result<Self, SourceError> {
        let place = format!("{} {}", settings.endpoints.join(","), settings.keys.name());
        let members = Members::new(&settings).map_err(|reason| SourceError {
            place: place.clone(),
            reason,
        })?;
        Ok(Self {
            keys: settings.keys,
            members,
            // The first comes after the last.
            member: AtomicUsize::new(settings.endpoints.len() - 1),
            place,
        })
    }

    fn failed(&self, reason: String) -> SourceError {
        SourceError {
            place: self.place.clone(),
            reason,
        }
    }

    fn range(&self) -> Range {
        match &self.keys {
            Keys::Document(key) => (key.clone().into_bytes(), Vec::new()),
            Keys::Folder(folder) => {
                // The slash at the end is followed by the next character: behind all keys of the folder.
                let mut end = folder.clone().into_bytes();
                if let Some(last) = end.last_mut() {
                    *last += 1;
                }
                (folder.clone().into_bytes(), end)
            }
        }
    }

    /// Reads everything from the first member that answers; the reasons of all when none does.
    async fn connected(&self) -> Result<(Connection, Snapshot), SourceError> {
        let mut reasons: Vec<String> = Vec::new();
        for member in self.members.in_turn(self.member.load(Ordering::Relaxed)) {
            self.member.store(member, Ordering::Relaxed);
            let tried = async {
                let connection = self.members.connect(member).await?;
                let snapshot = connection.read(self.range()).await?;
                Ok((connection, snapshot))
            };
            match tried.await {
                Ok(connected) => return Ok(connected),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(self.failed(reasons.join("; ")))
    }

    fn reading(&self, snapshot: &Snapshot) -> Result<Reading, SourceError> {
        let version = Version(snapshot.revision.to_string());
        let reading = self.keys.reading(version, &snapshot.rows);
        reading.map_err(|reason| self.failed(reason))
    }

    async fn follow(&self, outlet: &Outlet) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            match self.connected().await {
                Err(error) => outlet.put(Err(error)),
                Ok((connection, snapshot)) => {
                    outlet.put(self.reading(&snapshot));
                    let began = Instant::now();
                    let reason = self.changes(&connection, snapshot, outlet).await;
                    tracing::debug!(source = self.place, reason, "etcd is read again");
                    if began.elapsed() >= GOOD_WATCH {
                        backoff.reset();
                    }
                }
            }
            backoff.pause().await;
        }
    }

    /// Hands over every change after `snapshot`. Returns why that ended.
    async fn changes(
        &self,
        connection: &Connection,
        mut snapshot: Snapshot,
        outlet: &Outlet,
    ) -> String {
        let watch = connection.watch(self.range(), snapshot.revision + 1);
        let mut watch = match watch.await {
            Ok(watch) => watch,
            Err(reason) => return reason,
        };
        loop {
            match next(&mut watch).await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    snapshot.take(events);
                    outlet.put(self.reading(&snapshot));
                }
                Err(reason) => return reason,
            }
        }
    }
}

/// What the watch says next: all events of one revision together.
async fn next(watch: &mut Streaming<proto::WatchResponse>) -> Result<Vec<proto::Event>, String> {
    let response = match watch.message().await {
        Ok(Some(response)) => response,
        Ok(None) => return Err("the watch was closed".to_owned()),
        Err(status) => return Err(client::told(&status)),
    };
    match (response.compact_revision, response.canceled) {
        (0, false) => Ok(response.events),
        (0, true) => Err(response.cancel_reason),
        (kept, _) => Err(format!("changes before revision {kept} are not kept")),
    }
}

impl Snapshot {
    fn take(&mut self, events: Vec<proto::Event>) {
        use proto::event::EventType::{Delete, Put};
        for event in events {
            let kind = event.r#type();
            let Some(kv) = event.kv else { continue };
            self.revision = self.revision.max(kv.mod_revision);
            match kind {
                Put => drop(self.rows.insert(kv.key, kv.value.into())),
                Delete => drop(self.rows.remove(&kv.key)),
            }
        }
    }
}

impl Source for EtcdSource {
    fn id(&self) -> SourceId {
        SourceId {
            kind: Kind::Etcd,
            name: self.keys.name().to_owned(),
        }
    }

    fn read(&self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        async { self.reading(&self.connected().await?.1) }.boxed()
    }

    fn watch<'a>(&'a self, outlet: Outlet) -> BoxFuture<'a, ()> {
        async move { self.follow(&outlet).await }.boxed()
    }
}

impl fmt::Debug for EtcdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EtcdSource").field(&self.place).finish()
    }
}
