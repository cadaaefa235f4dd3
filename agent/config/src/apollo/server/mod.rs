//! The server that Apollo's clients read from.

mod answer;
mod configs;
mod notifications;
mod request;

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use hyper::body::Incoming;
use listen::{
    Listener, Origin, Peer, Shutdown,
    http1::{self, Handler},
};

use self::{answer::Answer, request::Asked};
use super::{AccessKeys, Board, keys::Refused};
use crate::{
    Access, Denied, DocumentId, Right,
    caller::{CallerIdentity, Door, NoTokens, Proof, Reader},
    roles::Ledger,
};

/// What the server is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the node, for people.
    pub node: String,
    /// How long a poll without news is held.
    pub hold: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: "golens".to_owned(),
            hold: Duration::from_secs(60),
        }
    }
}

/// Apollo's protocol in front of a [`Board`].
pub struct Server {
    board: Arc<Board>,
    settings: Settings,
    door: Door,
    access: Arc<dyn Access<Reader>>,
    ledger: Option<Ledger>,
    keys: ArcSwap<AccessKeys>,
    ends: Shutdown,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server; `access` decides about documents of this node, and `ends` answers held polls at once when it
    /// turns true.
    #[must_use]
    pub fn new(
        board: Arc<Board>,
        settings: Settings,
        identity: Arc<dyn CallerIdentity>,
        access: Arc<dyn Access<Reader>>,
        ends: Shutdown,
    ) -> Self {
        Self {
            board,
            settings,
            // Apollo's clients sign where others show a token.
            door: Door::new(identity, Arc::new(NoTokens)),
            access,
            ledger: None,
            keys: ArcSwap::default(),
            ends,
        }
    }

    /// The same server, which notes refusals and looks at secrets in the audit log.
    #[must_use]
    pub fn audited_by(self, ledger: Ledger) -> Self {
        Self {
            ledger: Some(ledger),
            ..self
        }
    }

    /// Replaces the access keys of all applications.
    pub fn set_keys(&self, keys: AccessKeys) {
        self.keys.store(Arc::new(keys));
    }

    /// Answers whoever connects, until it is to end.
    pub async fn serve(self: Arc<Self>, listener: Listener) {
        let ends = self.ends.clone();
        http1::serve(listener, Arc::new(Served(self)), ends).await;
    }

    async fn answer(&self, request: Request<Incoming>, guest: &Guest) -> Answer {
        // A held poll keeps what it asked, and not hyper's headers.
        let (parts, body) = request.into_parts();
        drop(body);
        if parts.method != Method::GET && parts.method != Method::HEAD {
            return Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered");
        }
        let Some(asked) = Asked::parse(&parts.uri) else {
            return Answer::text(StatusCode::NOT_FOUND, "no such path");
        };
        if asked.signed().is_some_and(|(app, _)| app.is_empty()) {
            return Answer::text(StatusCode::BAD_REQUEST, "InvalidAppId");
        }
        let reader = match self.reader(&asked, &parts.headers, &guest.reader) {
            Ok(reader) => reader,
            Err(sentence) => {
                if let Some(ledger) = &self.ledger {
                    let (name, path) = (&guest.reader.name, parts.uri.path());
                    ledger.note_stranger(name, path, sentence).await;
                }
                return Answer::text(StatusCode::UNAUTHORIZED, sentence);
            }
        };
        match asked {
            Asked::Services => answer::services(&self.settings.node, &parts.headers, &guest.peer),
            Asked::Config(asked) => self.config(&asked, &reader).await,
            Asked::Notifications(asked) => {
                drop(parts);
                self.notifications(asked).await
            }
        }
    }

    /// Who asks; an error is what is said to somebody whose signature is not good.
    fn reader(
        &self,
        asked: &Asked,
        headers: &HeaderMap,
        guest: &Reader,
    ) -> Result<Reader, &'static str> {
        let mut reader = guest.clone();
        let Some((app, signed)) = asked.signed() else {
            return Ok(reader);
        };
        let header = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let checked = self.keys.load().check(
            app,
            header(AUTHORIZATION.as_str()),
            header("timestamp"),
            signed,
        );
        match checked {
            Ok(true) => {
                reader.proofs.push(Proof::Application(app.to_owned()));
                Ok(reader)
            }
            Ok(false) => Ok(reader),
            Err(Refused::Skewed) => Err("RequestTimeTooSkewed"),
            Err(Refused::Unauthorized) => Err("Unauthorized"),
        }
    }

    /// Whether `reader` sees the secrets of a document; an error when it may not read it at all.
    async fn rights(&self, reader: &Reader, document: &DocumentId) -> Result<bool, Denied> {
        let check = |right| self.access.check(reader, right, document);
        if let Err(denied) = check(Right::Read) {
            self.note(
                reader,
                Right::Read,
                document,
                &format!("denied by {}", denied.rule),
            )
            .await;
            return Err(denied);
        }
        let reveals = check(Right::Reveal).is_ok();
        if reveals {
            self.note(reader, Right::Reveal, document, "done").await;
        }
        Ok(reveals)
    }

    async fn note(&self, reader: &Reader, right: Right, document: &DocumentId, outcome: &str) {
        if let Some(ledger) = &self.ledger {
            ledger.note(&reader.name, right, document, outcome).await;
        }
    }
}

/// Who is at the other end of a connection.
struct Guest {
    peer: Peer,
    reader: Reader,
}

/// A server as connections see it.
struct Served(Arc<Server>);

impl Handler for Served {
    type Guest = Arc<Guest>;

    async fn meet(&self, origin: Origin) -> Arc<Guest> {
        Arc::new(Guest {
            peer: origin.peer,
            reader: self.0.door.meet(&origin).await,
        })
    }

    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        guest: Arc<Guest>,
    ) -> Response<Full<Bytes>> {
        self.0.answer(request, &guest).await.into()
    }
}
