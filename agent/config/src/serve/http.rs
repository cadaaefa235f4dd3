//! `GET /v1/config/<namespace>/<document>?index=&wait=`: a document, or the next one.
//!
//! The body is the document as JSON. With `index`, the answer waits until the document's index exceeds it,
//! `wait` (`30s`; 5 minutes unless told, 10 at most) long. The index is in the header `X-Golens-Index` of
//! every answer, also when there is no such document; it never goes back. A document with secrets is for
//! those who may see them; `masked` asks for it without.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use ::http::{Response, StatusCode, header};
use futures_util::future::BoxFuture;
use state::Revision;

use crate::{Access, Denied, DocumentId, Documents, Mask, Published, Reveal, Right};

/// What all paths begin with.
pub const PREFIX: &str = "/v1/config/";

/// Revision of the document.
pub const INDEX: &str = "x-golens-index";

/// Number of its generation.
pub const GENERATION: &str = "x-golens-generation";

const USUAL_WAIT: Duration = Duration::from_secs(300);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Where documents are served from, and to whom.
pub struct Serving<'a, Caller: ?Sized> {
    /// The documents.
    pub documents: &'a Documents,
    /// Who may.
    pub access: &'a dyn Access<Caller>,
    /// What is hidden from those who ask for `masked`.
    pub mask: &'a dyn Mask,
    /// Hears of refusals and of secrets that were seen.
    pub witness: &'a dyn Witness<Caller>,
}

/// Notes who was refused, and who saw secrets.
pub trait Witness<Caller: ?Sized>: Send + Sync {
    /// `caller` used `right`, or was `denied` it.
    fn note<'a>(
        &'a self,
        caller: &'a Caller,
        right: Right,
        document: &'a DocumentId,
        denied: Option<&'a Denied>,
    ) -> BoxFuture<'a, ()>;
}

impl<Caller: ?Sized> Serving<'_, Caller> {
    /// Answers a request for `path` (which begins with [`PREFIX`]) and `query`. It may take as long as the
    /// caller wants to wait; dropping it costs nothing.
    pub async fn answer(&self, caller: &Caller, path: &str, query: &str) -> Response<String> {
        match self.try_answer(caller, path, query).await {
            Ok(response) => response,
            Err(Refusal::Bad(reason)) => text(StatusCode::BAD_REQUEST, reason, None),
            Err(Refusal::Denied(denied)) => text(StatusCode::FORBIDDEN, denied.to_string(), None),
            Err(Refusal::None(index)) => {
                let reason = "there is no such document".to_owned();
                text(StatusCode::NOT_FOUND, reason, Some(index))
            }
        }
    }

    async fn try_answer(
        &self,
        caller: &Caller,
        path: &str,
        query: &str,
    ) -> Result<Response<String>, Refusal> {
        let id = id_of(path)?;
        let asked = Asked::of(query)?;
        self.check(caller, Right::Read, &id).await?;
        if let Some(seen) = asked.index {
            let deadline = Instant::now() + asked.wait;
            // Whether it changed or the time is up: the answer is what there is.
            let _changed_or_late = self.documents.wait(&id, seen, deadline).await;
        }
        // Before the look at the document: one that comes in between is news for this index.
        let index = self.documents.index(&id);
        let Some(document) = self.documents.get(&id) else {
            return Err(Refusal::None(index));
        };
        let reveal = match asked.masked {
            true => Reveal::Masked(self.mask),
            false => Reveal::Plain,
        };
        if !asked.masked && document.value.has_secrets() {
            self.check(caller, Right::Reveal, &id).await?;
            self.witness.note(caller, Right::Reveal, &id, None).await;
        }
        Ok(found(&document, reveal))
    }

    async fn check(&self, caller: &Caller, right: Right, id: &DocumentId) -> Result<(), Refusal> {
        let Err(denied) = self.access.check(caller, right, id) else {
            return Ok(());
        };
        self.witness.note(caller, right, id, Some(&denied)).await;
        Err(Refusal::Denied(denied))
    }
}

/// Why there is no document.
enum Refusal {
    Bad(String),
    Denied(Denied),
    None(Revision),
}

/// What a query asks for.
struct Asked {
    index: Option<Revision>,
    wait: Duration,
    masked: bool,
}

impl Asked {
    fn of(query: &str) -> Result<Self, Refusal> {
        let pairs: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        let index = pairs.get("index").map(|text| {
            let index = text.parse().map(Revision);
            index.map_err(|_malformed| Refusal::Bad(format!("`index={text}` is no number")))
        });
        let wait = pairs.get("wait").map_or(Ok(USUAL_WAIT), |text| {
            let wait = humantime::parse_duration(text);
            wait.map_err(|_malformed| {
                Refusal::Bad(format!("`wait={text}` is no duration such as 30s"))
            })
        });
        Ok(Self {
            index: index.transpose()?,
            wait: wait?.min(LONGEST_WAIT),
            masked: pairs.contains_key("masked"),
        })
    }
}

fn id_of(path: &str) -> Result<DocumentId, Refusal> {
    let malformed = || Refusal::Bad(format!("the path is no {PREFIX}<namespace>/<document>"));
    let rest = path.strip_prefix(PREFIX).ok_or_else(malformed)?;
    let (namespace, name) = rest.split_once('/').ok_or_else(malformed)?;
    let decoded = |part| percent_encoding::percent_decode_str(part).decode_utf8();
    let (Ok(namespace), Ok(name)) = (decoded(namespace), decoded(name)) else {
        return Err(malformed());
    };
    DocumentId::new(&namespace, &name).map_err(|error| Refusal::Bad(error.to_string()))
}

fn found(document: &Published, reveal: Reveal<'_>) -> Response<String> {
    let mut response = Response::new(document.value.to_json(reveal).to_string());
    let headers = response.headers_mut();
    let json = ::http::HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(INDEX, document.revision.0.into());
    headers.insert(GENERATION, document.generation.into());
    response
}

fn text(status: StatusCode, reason: String, index: Option<Revision>) -> Response<String> {
    let mut response = Response::new(format!("{reason}\n"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = ::http::HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    if let Some(index) = index {
        headers.insert(INDEX, index.0.into());
    }
    response
}
