//! Following a service: a snapshot, then what changes.
//!
//! A stream keeps one revision and nothing else: what is new since then is asked of the registry when the
//! client has taken the last message. A slow client so gets fewer and larger steps, and never a queue.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use prost::Message;
use state::tokens::Right;
use tonic::Status;

use super::{
    access::{Access, Credentials},
    hidden::hide,
    service::Messages,
    shared::Shared,
    v1::{Kind, WatchResponse},
    write,
};
use crate::{
    Entry, News, Registry, Rendering, Revision, ServiceView, Wait, WatchKey,
    consul::{Shutdown, http::ending},
    model::{InstanceKey, Name, ServiceKey},
    state::Wake,
};

/// Time between two messages when nothing changes. Tokens are looked at again as often.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(30);

/// Changes that follow each other faster than this share a message.
const PAUSE: Duration = Duration::from_millis(20);

/// One client that follows one service.
pub(super) struct Watched {
    registry: Registry,
    access: Access,
    shown: Credentials,
    key: ServiceKey,
    ends: Shutdown,
    /// Everything up to here was sent; `None` before the first message.
    seen: Option<Revision>,
    /// When news is looked for again.
    rested: Instant,
    _place: Wait,
}

impl Watched {
    /// A client with the right to follow, and a place among those who wait.
    pub(super) fn new(
        registry: Registry,
        access: Access,
        shown: Credentials,
        key: ServiceKey,
        ends: Shutdown,
    ) -> Result<Self, Status> {
        let caller = access.caller(&shown)?;
        caller.require(Right::Read, &key.namespace)?;
        let place = access.wait(&caller)?;
        Ok(Self {
            registry,
            access,
            shown,
            key,
            ends,
            seen: None,
            rested: Instant::now(),
            _place: place,
        })
    }

    /// The messages of the stream, from a revision, or from a snapshot when it is 0.
    pub(super) fn messages(self, from: Revision) -> Messages<Shared> {
        Box::pin(stream::try_unfold(self, move |mut watched| async move {
            let message = match watched.seen {
                None => Some(watched.first(from)?),
                Some(seen) => watched.next(seen).await?,
            };
            let Some(message) = message else {
                return Ok(None);
            };
            watched.seen = Some(message.revision);
            let sight = watched.registry.sight_of(watched.shown.name());
            let message = hide(message, &sight)?;
            let trust = watched.registry.trust(Some(&watched.key));
            let message = message.with_trust(write::trust(trust));
            Ok(Some((message, watched)))
        }))
    }

    /// The first message: it comes at once, even if nothing changed, so that the client knows where it is.
    fn first(&mut self, from: Revision) -> Result<Shared, Status> {
        self.rested = Instant::now() + PAUSE;
        if from == Revision(0) {
            let view = self
                .registry
                .service(&self.key.namespace, &self.key.service)?;
            return Ok(snapshot(&view));
        }
        let visible = self.registry.revision();
        Ok(match self.registry.news(&self.key, from)? {
            Some(news) => self.step(from, &news),
            None => bookmark(visible.max(from)),
        })
    }

    /// The next message; `None` when the server ends.
    async fn next(&mut self, seen: Revision) -> Result<Option<Shared>, Status> {
        // A timer costs something even when its time has come.
        if Instant::now() < self.rested {
            tokio::time::sleep_until(self.rested.into()).await;
        }
        let until = Instant::now() + BOOKMARK_INTERVAL;
        loop {
            // Before the look: what becomes visible after it is not covered by a bookmark.
            let visible = self.registry.revision();
            if let Some(news) = self.registry.news(&self.key, seen)? {
                self.rested = Instant::now() + PAUSE;
                return Ok(Some(self.step(seen, &news)));
            }
            let topic = WatchKey::Service(self.key.clone());
            let mut ends = self.ends.clone();
            let woken = tokio::select! {
                woken = self.registry.watch(&topic, seen, until) => woken?,
                () = ending(&mut ends) => return Ok(None),
            };
            if woken == Wake::TimedOut {
                let caller = self.access.caller(&self.shown)?;
                caller.require(Right::Read, &self.key.namespace)?;
                return Ok(Some(bookmark(visible.max(seen))));
            }
        }
    }

    /// What is new since `seen`. All who have seen the same are sent the same bytes.
    fn step(&self, seen: Revision, news: &News) -> Shared {
        let encoded = news.view.step_from(seen, || match &news.changed {
            Some(changed) => self.delta(&news.view, changed).encode_to_vec().into(),
            None => {
                let reason = "the steps since then are not known";
                whole(&news.view, Kind::Resync, reason)
                    .encode_to_vec()
                    .into()
            }
        });
        Shared::encoded(news.view.index, encoded)
    }

    fn delta(&self, view: &ServiceView, changed: &BTreeSet<(Name, Name)>) -> WatchResponse {
        let mut message = WatchResponse {
            revision: view.index.0,
            kind: Kind::Delta.into(),
            ..WatchResponse::default()
        };
        for place in changed {
            match find(view, place) {
                Some(entry) => message.instances.push(write::entry(entry)),
                None => message.removed.push(write::id(&self.instance(place))),
            }
        }
        message
    }

    fn instance(&self, (node, id): &(Name, Name)) -> InstanceKey {
        InstanceKey {
            namespace: Name::clone(&self.key.namespace),
            node: Name::clone(node),
            id: Name::clone(id),
        }
    }
}

/// All of a service, for those who have seen nothing.
fn snapshot(view: &ServiceView) -> Shared {
    let encoded = view.rendered(Rendering::Grpc, |view| {
        whole(view, Kind::Snapshot, "").encode_to_vec()
    });
    Shared::encoded(view.index, Bytes::from_owner(encoded))
}

fn whole(view: &ServiceView, kind: Kind, reason: &str) -> WatchResponse {
    WatchResponse {
        revision: view.index.0,
        kind: kind.into(),
        instances: view.entries.iter().map(write::entry).collect(),
        removed: Vec::new(),
        reason: reason.to_owned(),
        trust: None,
    }
}

fn bookmark(revision: Revision) -> Shared {
    Shared::of(&WatchResponse {
        revision: revision.0,
        kind: Kind::Bookmark.into(),
        ..WatchResponse::default()
    })
}

/// The instance at a place of a view, whose entries are ordered by place.
fn find<'a>(view: &'a ServiceView, (node, id): &(Name, Name)) -> Option<&'a Entry> {
    let place = |entry: &Entry| {
        let key = &entry.instance.key;
        (Name::clone(&key.node), Name::clone(&key.id))
    };
    let wanted = (Name::clone(node), Name::clone(id));
    let found = view.entries.binary_search_by_key(&wanted, place);
    found.ok().and_then(|at| view.entries.get(at))
}
