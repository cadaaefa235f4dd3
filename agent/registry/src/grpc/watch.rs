//! Following a service: a snapshot, then what changes.
//!
//! A stream keeps one revision and a place among those who wait, and nothing else: what is new since then is
//! asked of the registry when the client has taken the last message. A slow client so gets fewer and larger
//! steps, and never a queue. Changes that follow each other fast share a message, see [`Subscription`].

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use listen::{Aside, Shutdown, ending};
use prost::Message;
use state::{Subscription, tokens::Right};
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
    Entry, Registry, Rendering, Revision, ServiceView, Wait, WatchKey,
    model::{InstanceKey, Name, ServiceKey},
};

/// Time between two messages when nothing changes. Tokens are looked at again as often.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(30);

/// What a stream waits for.
enum Event {
    /// The service changed, at this revision.
    Told(Revision),
    /// It may be time for a bookmark.
    Tick,
    /// The server ends.
    End,
}

/// One client that follows one service.
pub(super) struct Watched {
    registry: Registry,
    access: Access,
    shown: Credentials,
    key: ServiceKey,
    changes: Subscription,
    aside: Aside<Event>,
    /// Everything up to here was sent; `None` before the first message.
    seen: Option<Revision>,
    /// When the last message was made.
    said: Instant,
    _place: Wait,
}

impl Watched {
    /// A client with the right to follow, and a place among those who wait.
    pub(super) fn new(
        registry: Registry,
        access: Access,
        shown: Credentials,
        key: ServiceKey,
        mut ends: Shutdown,
    ) -> Result<Self, Status> {
        let caller = access.caller(&shown)?;
        caller.require(Right::Read, &key.namespace)?;
        let place = access.wait(&caller)?;
        let changes = registry.subscribe(&WatchKey::Service(key.clone()));
        let aside = Aside::of(async move {
            ending(&mut ends).await;
            Event::End
        });
        let said = Instant::now();
        aside.add(tick(said + BOOKMARK_INTERVAL));
        Ok(Self {
            registry,
            access,
            shown,
            key,
            changes,
            aside,
            seen: None,
            said,
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
            watched.said = Instant::now();
            let sight = watched.registry.sight_of(watched.shown.name());
            let message = hide(message, &sight)?;
            let trust = watched.registry.trust(Some(&watched.key));
            let message = message.with_trust(trust);
            Ok(Some((message, watched)))
        }))
    }

    /// The first message: it comes at once, even if nothing changed, so that the client knows where it is.
    fn first(&self, from: Revision) -> Result<Shared, Status> {
        if from == Revision(0) {
            let view = self
                .registry
                .service(&self.key.namespace, &self.key.service)?;
            return Ok(snapshot(&view));
        }
        let visible = self.registry.revision();
        Ok(match self.registry.news(&self.key, from)? {
            Some(view) => self.step(from, &view),
            None => bookmark(visible.max(from)),
        })
    }

    /// The next message; `None` when the server ends.
    async fn next(&mut self, seen: Revision) -> Result<Option<Shared>, Status> {
        let mut known = seen;
        loop {
            let is_silent = match self.event(known).await {
                Event::End => return Ok(None),
                Event::Tick => self.tick()?,
                Event::Told(revision) => {
                    known = revision;
                    false
                }
            };
            // Before the look: what becomes visible after it is not covered by a bookmark.
            let visible = self.registry.revision();
            if let Some(view) = self.registry.news(&self.key, seen)? {
                return Ok(Some(self.step(seen, &view)));
            }
            if is_silent {
                return Ok(Some(bookmark(visible.max(seen))));
            }
        }
    }

    async fn event(&mut self, known: Revision) -> Event {
        tokio::select! {
            biased;
            told = self.changes.news(known) => told.map_or(Event::End, Event::Told),
            event = self.aside.next() => event,
        }
    }

    /// Looks whether the client may still follow. Returns whether nothing was said for long.
    fn tick(&self) -> Result<bool, Status> {
        let caller = self.access.caller(&self.shown)?;
        caller.require(Right::Read, &self.key.namespace)?;
        let now = Instant::now();
        let due = self.said + BOOKMARK_INTERVAL;
        let is_silent = due <= now;
        let next = if is_silent {
            now + BOOKMARK_INTERVAL
        } else {
            due
        };
        self.aside.add(tick(next));
        Ok(is_silent)
    }

    /// What is new since `seen`. All who have seen the same are sent the same bytes.
    fn step(&self, seen: Revision, view: &ServiceView) -> Shared {
        let encoded = view.step_from(seen, || {
            let message = match self.registry.steps(view, seen) {
                Some(changed) => self.delta(view, &changed),
                None => whole(view, Kind::Resync, "the steps since then are not known"),
            };
            message.encode_to_vec().into()
        });
        Shared::encoded(view.index, encoded)
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

async fn tick(at: Instant) -> Event {
    tokio::time::sleep_until(at.into()).await;
    Event::Tick
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
