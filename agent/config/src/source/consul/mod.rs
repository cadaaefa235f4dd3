//! Keys in a store with Consul's API as a source, followed by blocking queries.

mod client;

use std::{fmt, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};

use self::client::{Answer, Client};
use super::{
    Keys, Kind, Outlet, Reading, Source, SourceError, SourceId, Version, backoff::Backoff,
};
use crate::{Secret, Trust};

/// Pauses after an error, and after an index that cannot be waited for.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Least time between two questions, whatever the server says: a query may return early for any reason.
const SPACING: Duration = Duration::from_millis(200);

/// Which keys to read, from where, and as whom.
#[derive(Clone, Debug)]
pub struct ConsulSettings {
    /// Address of the agent or server: `http://127.0.0.1:8500`.
    pub address: String,
    /// The keys.
    pub keys: Keys,
    /// Data centre, when it is not the server's own.
    pub data_center: String,
    /// Token, if it asks for one.
    pub token: Option<Secret>,
    /// How the server proves itself, and how we do; for `https` only.
    pub trust: Trust,
}

impl ConsulSettings {
    /// These keys of the server at an address.
    #[must_use]
    pub fn new(address: &str, keys: Keys) -> Self {
        Self {
            address: address.to_owned(),
            keys,
            data_center: String::new(),
            token: None,
            trust: Trust::default(),
        }
    }
}

/// Keys in a store with Consul's API. It is known by its keys and data centre: servers may move.
pub struct ConsulSource {
    client: Client,
    keys: Keys,
    name: String,
    /// For messages: address and name.
    place: String,
}

impl ConsulSource {
    /// A source; nothing is asked yet.
    ///
    /// # Errors
    /// When the address or certificates cannot be used.
    pub fn new(settings: ConsulSettings) -> Result<Self, SourceError> {
        let keys = settings.keys.clone();
        let name = match settings.data_center.as_str() {
            "" => keys.name().to_owned(),
            data_center => format!("{data_center} {}", keys.name()),
        };
        let place = format!("{} {name}", settings.address);
        let client = Client::new(settings).map_err(|error| SourceError {
            place: place.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            client,
            keys,
            name,
            place,
        })
    }

    fn failed(&self, reason: String) -> SourceError {
        SourceError {
            place: self.place.clone(),
            reason,
        }
    }

    fn reading(&self, answer: &Answer) -> Result<Reading, SourceError> {
        let version = Version(answer.index.to_string());
        let reading = self.keys.reading(version, &answer.rows);
        reading.map_err(|reason| self.failed(reason))
    }

    async fn follow(&self, outlet: &Outlet) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut seen = None;
        loop {
            let answer = match self.client.ask(seen).await {
                Ok(answer) => answer,
                Err(reason) => {
                    outlet.put(Err(self.failed(reason)));
                    // What happens meanwhile is in the next answer, which comes at once.
                    seen = None;
                    backoff.pause().await;
                    continue;
                }
            };
            if seen != Some(answer.index) {
                outlet.put(self.reading(&answer));
            }
            match can_be_waited_for(seen, answer.index) {
                true => {
                    seen = Some(answer.index);
                    backoff.reset();
                    tokio::time::sleep(SPACING).await;
                }
                false => {
                    seen = None;
                    backoff.pause().await;
                }
            }
        }
    }
}

/// Whether to wait for what follows `index`. One of 0 would be answered at once for ever; one that went
/// back belongs to a server that lost its state, and waiting for the old one could take for ever.
fn can_be_waited_for(seen: Option<u64>, index: u64) -> bool {
    index > 0 && seen.is_none_or(|seen| index >= seen)
}

impl Source for ConsulSource {
    fn id(&self) -> SourceId {
        SourceId {
            kind: Kind::Consul,
            name: self.name.clone(),
        }
    }

    fn read(&self) -> BoxFuture<'_, Result<Reading, SourceError>> {
        async {
            let answer = self.client.ask(None).await;
            self.reading(&answer.map_err(|reason| self.failed(reason))?)
        }
        .boxed()
    }

    fn watch<'a>(&'a self, outlet: Outlet) -> BoxFuture<'a, ()> {
        async move { self.follow(&outlet).await }.boxed()
    }
}

impl fmt::Debug for ConsulSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ConsulSource").field(&self.place).finish()
    }
}
