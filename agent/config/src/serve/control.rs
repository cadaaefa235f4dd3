//! What people do with documents, over a socket of the node: look back, go back, follow again, and read who did
//! what.
//!
//! ```text
//! GET  /v1/documents                                where all of them stand
//! GET  /v1/documents/NAMESPACE/NAME/history         the generations that are kept
//! GET  /v1/documents/NAMESPACE/NAME/diff?from=&to=  what differs between two of them
//! POST /v1/documents/NAMESPACE/NAME/rollback        {"to": 3, "reason": "..."}
//! POST /v1/documents/NAMESPACE/NAME/unpin           {"reason": "..."}
//! GET  /v1/audit?most=100                           the newest entries of the audit log
//! GET  /v1/audit/verify                             whether somebody changed it
//! ```

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use ::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use listen::{
    Listener, Origin, Shutdown,
    http1::{self, Handler},
};
use serde::{Deserialize, Serialize};

use super::recognised;
use crate::{
    Access, Archive, ArchiveError, CommandError, DocumentId, Position, Right, Watcher,
    caller::{Door, Reader},
    roles::Ledger,
};

/// Bytes of the longest request.
const MOST: usize = 64 * 1024;
/// Entries of the audit log unless somebody wants more.
const ENTRIES: usize = 100;

/// Where a document stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Namespace and name.
    pub document: String,
    /// Its generations.
    #[serde(flatten)]
    pub position: Position,
}

/// An order, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// The generation to go back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Why; it is kept with the generation and in the audit log.
    pub reason: String,
}

/// What came of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The generation in force from now on.
    pub generation: u64,
}

/// Answers on listeners.
pub struct Control {
    /// What is kept.
    pub archive: Archive,
    /// What watches the documents.
    pub watcher: Watcher,
    /// Who may.
    pub access: Arc<dyn Access<Reader>>,
    /// Who calls.
    pub door: Door,
    /// Where refusals are noted.
    pub ledger: Ledger,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Control").field(&self.watcher).finish()
    }
}

/// Why there is no answer: a status and a sentence.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(sentence: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, sentence.into())
    }
}

impl From<ArchiveError> for Refused {
    fn from(error: ArchiveError) -> Self {
        let status = match &error {
            ArchiveError::NoDocument(_) | ArchiveError::NoGeneration { .. } => {
                StatusCode::NOT_FOUND
            }
            ArchiveError::NotPinned(_) => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl From<CommandError> for Refused {
    fn from(error: CommandError) -> Self {
        let status = match &error {
            CommandError::NoGeneration { .. } => StatusCode::NOT_FOUND,
            CommandError::NotPinned | CommandError::Refused { .. } => StatusCode::CONFLICT,
            CommandError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl Control {
    /// Answers whoever connects, until `shutdown`.
    pub async fn serve(self: Arc<Self>, listener: Listener, shutdown: Shutdown) {
        http1::serve(listener, Arc::new(Served(self)), shutdown).await;
    }

    async fn answer(
        &self,
        asked: &Asked<'_>,
        guest: Reader,
        body: Bytes,
    ) -> Result<Bytes, Refused> {
        let notes = (&self.door, &self.ledger);
        let reader = recognised(notes, guest, asked.headers, asked.path).await;
        let reader = reader.map_err(|error| Refused(StatusCode::FORBIDDEN, error.to_string()))?;
        let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["v1", "documents"]) => json(&self.standings(&reader)?),
            ("GET", ["v1", "audit"]) => {
                self.allow(&reader, Right::Audit, &DocumentId::own())
                    .await?;
                let most = asked.number("most")?.map_or(ENTRIES, |most| most as usize);
                let entries = self.archive.audit(most);
                json(&entries.map_err(ArchiveError::from)?)
            }
            ("GET", ["v1", "audit", "verify"]) => {
                self.allow(&reader, Right::Audit, &DocumentId::own())
                    .await?;
                let verified = self.archive.verify_audit();
                let broken =
                    |error: &dyn fmt::Display| Refused(StatusCode::CONFLICT, error.to_string());
                json(&verified.map_err(|error| broken(&error))?)
            }
            (method, ["v1", "documents", namespace, name, verb]) => {
                let id = id(namespace, name)?;
                self.of_one(method, verb, &id, &reader, asked, &body).await
            }
            _ => Err(Refused(StatusCode::NOT_FOUND, "no such path".to_owned())),
        }
    }

    async fn of_one(
        &self,
        method: &str,
        verb: &str,
        id: &DocumentId,
        reader: &Reader,
        asked: &Asked<'_>,
        body: &Bytes,
    ) -> Result<Bytes, Refused> {
        match (method, verb) {
            ("GET", "history") => {
                self.allow(reader, Right::Read, id).await?;
                self.archive.position(id)?;
                json(&self.archive.generations(id).map_err(ArchiveError::from)?)
            }
            ("GET", "diff") => {
                self.allow(reader, Right::Read, id).await?;
                let missing = || Refused::bad("from and to name two generations");
                let from = asked.number("from")?.ok_or_else(missing)?;
                let to = asked.number("to")?.ok_or_else(missing)?;
                json(&self.archive.diff(id, from, to).await?)
            }
            ("POST", "rollback") => {
                self.allow(reader, Right::Write, id).await?;
                let wish = wish(body)?;
                let to = wish
                    .to
                    .ok_or_else(|| Refused::bad("`to` names a generation"))?;
                let done = self.watcher.rollback(id, to, &reader.name, &wish.reason);
                json(&Done {
                    generation: done.await?,
                })
            }
            ("POST", "unpin") => {
                self.allow(reader, Right::Write, id).await?;
                let done = self
                    .watcher
                    .unpin(id, &reader.name, &wish(body)?.reason)
                    .await?;
                json(&Done { generation: done })
            }
            _ => Err(Refused(StatusCode::NOT_FOUND, "no such path".to_owned())),
        }
    }

    /// Where those documents stand that the caller may see.
    fn standings(&self, reader: &Reader) -> Result<Vec<Standing>, Refused> {
        let ids = self.archive.documents().map_err(ArchiveError::from)?;
        let seen = ids
            .into_iter()
            .filter(|id| self.access.check(reader, Right::Read, id).is_ok());
        let stands = seen.map(|id| {
            Ok(Standing {
                position: self.archive.position(&id)?,
                document: id.to_string(),
            })
        });
        stands.collect()
    }

    async fn allow(&self, reader: &Reader, right: Right, id: &DocumentId) -> Result<(), Refused> {
        let Err(denied) = self.access.check(reader, right, id) else {
            return Ok(());
        };
        let sentence = denied.to_string();
        self.ledger.note(&reader.name, right, id, &sentence).await;
        Err(Refused(StatusCode::FORBIDDEN, sentence))
    }
}

/// A request without its body.
struct Asked<'a> {
    method: &'a Method,
    path: &'a str,
    query: BTreeMap<String, String>,
    headers: &'a HeaderMap,
}

impl Asked<'_> {
    fn number(&self, name: &str) -> Result<Option<u64>, Refused> {
        let text = self.query.get(name);
        let number = text.map(|text| u64::from_str(text));
        let number = number.transpose();
        number.map_err(|error| Refused::bad(format!("`{name}`: {error}")))
    }
}

fn id(namespace: &str, name: &str) -> Result<DocumentId, Refused> {
    let decoded = |part| percent_encoding::percent_decode_str(part).decode_utf8_lossy();
    let id = DocumentId::new(&decoded(namespace), &decoded(name));
    id.map_err(|error| Refused::bad(error.to_string()))
}

fn wish(body: &[u8]) -> Result<Wish, Refused> {
    let wish: Wish = serde_json::from_slice(body)
        .map_err(|error| Refused::bad(format!("the body is no order: {error}")))?;
    match wish.reason.trim() {
        "" => Err(Refused::bad("say why: `reason` is empty")),
        _ => Ok(wish),
    }
}

fn json(value: &impl Serialize) -> Result<Bytes, Refused> {
    let text = serde_json::to_vec(value);
    let text =
        text.map_err(|error| Refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(text.into())
}

/// It as connections see it.
struct Served(Arc<Control>);

impl Handler for Served {
    type Guest = Reader;

    async fn meet(&self, origin: Origin) -> Reader {
        self.0.door.meet(&origin).await
    }

    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        guest: Reader,
    ) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        let asked = Asked {
            method: &parts.method,
            path: parts.uri.path(),
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers: &parts.headers,
        };
        let answer = match Limited::new(body, MOST).collect().await {
            Ok(body) => self.0.answer(&asked, guest, body.to_bytes()).await,
            Err(error) => Err(Refused::bad(error.to_string())),
        };
        let (status, body, kind) = match answer {
            Ok(body) => (StatusCode::OK, body, "application/json"),
            Err(Refused(status, sentence)) => {
                let line = format!("{sentence}\n").into();
                (status, line, "text/plain; charset=utf-8")
            }
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let kind = ::http::HeaderValue::from_static(kind);
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
