//! Documents over gRPC: `golens.config.v1`, with `grpc.health.v1` and reflection beside it.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::{HeaderMap, Request as HttpRequest};
use futures_util::{Stream, stream};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use listen::{Listener, Origin, Shutdown, ending};
use state::{Revision, Wake};
use tonic::{Request, Response, Status, service::Routes};
use tonic_reflection::server as reflection;
use tower_service::Service as _;
use tracing::debug;

use self::v1::config_server::{Config, ConfigServer};
use super::{Server, recognised};
use crate::{DocumentId, Published, Reveal, Right, caller::Reader};

/// The messages and services of `proto/golens/config/v1`.
#[expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    clippy::missing_errors_doc,
    reason = "the code is generated; its documentation is that of the proto file"
)]
pub mod v1 {
    tonic::include_proto!("golens.config.v1");
}

/// What the server says of itself by reflection.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/config.bin"));
/// Time between two messages when nothing changes. Rights are looked at again as often.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(30);
/// A connection whose other end is gone is noticed after this.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Bytes that wait for a client that does not read, for each of its streams.
const SEND_BUFFER: usize = 64 * 1024;

impl Server {
    /// Answers whoever connects over gRPC, until `shutdown`; streams are then ended.
    ///
    /// # Errors
    /// When the descriptors of the services contradict each other, which no caller can cause.
    pub async fn serve_grpc(
        self: Arc<Self>,
        listener: Listener,
        shutdown: Shutdown,
    ) -> Result<(), reflection::Error> {
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_serving::<ConfigServer<Service>>().await;
        let described = || {
            reflection::Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let door = self.door.clone();
        let service = Service {
            server: self,
            ends: shutdown.clone(),
        };
        let routes = Routes::new(ConfigServer::new(service))
            .add_service(health)
            .add_service(described().build_v1()?)
            .add_service(described().build_v1alpha()?)
            .prepare();
        let serve = move |stream, origin: Origin, shutdown| {
            let (routes, door) = (routes.clone(), door.clone());
            async move {
                let reader = door.meet(&origin).await;
                connection(stream, reader, routes, shutdown).await;
            }
        };
        listen::accept(listener, shutdown, serve).await;
        Ok(())
    }

    /// Who calls, with the token that the call shows.
    async fn reader(&self, guest: &Reader, headers: &HeaderMap) -> Result<Reader, Status> {
        let notes = (&self.door, &self.ledger);
        let reader = recognised(notes, guest.clone(), headers, "golens.config.v1").await;
        reader.map_err(|error| Status::unauthenticated(error.to_string()))
    }

    /// Whether the caller sees the document, and its secrets.
    async fn sees(&self, reader: &Reader, id: &DocumentId) -> Result<bool, Status> {
        if let Err(denied) = self.access.check(reader, Right::Read, id) {
            let sentence = denied.to_string();
            self.ledger
                .note(&reader.name, Right::Read, id, &sentence)
                .await;
            return Err(Status::permission_denied(sentence));
        }
        Ok(self.access.check(reader, Right::Reveal, id).is_ok())
    }

    /// The document for those who see its secrets, or for others.
    async fn shown(&self, reader: &Reader, document: &Published, reveals: bool) -> v1::Document {
        let has_secrets = document.value.has_secrets();
        if has_secrets && reveals {
            let ledger = &self.ledger;
            ledger
                .note(&reader.name, Right::Reveal, &document.id, "done")
                .await;
        }
        let reveal = match reveals {
            true => Reveal::Plain,
            false => Reveal::Masked(&*self.mask),
        };
        v1::Document {
            namespace: document.id.namespace().to_owned(),
            name: document.id.name().to_owned(),
            generation: document.generation,
            json: document.value.to_json(reveal).to_string(),
            masked: has_secrets && !reveals,
            revision: document.revision.0,
        }
    }
}

async fn connection(
    stream: Box<dyn listen::Stream>,
    reader: Reader,
    routes: Routes,
    mut shutdown: Shutdown,
) {
    let service = service_fn(move |mut request: HttpRequest<Incoming>| {
        let mut routes = routes.clone();
        request.extensions_mut().insert(reader.clone());
        async move { routes.call(request).await }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(PING_INTERVAL))
        .max_send_buf_size(SEND_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = ending(&mut shutdown) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

/// The service.
pub struct Service {
    server: Arc<Server>,
    ends: Shutdown,
}

/// Who connected, and what the call shows.
fn shown<T>(request: &Request<T>) -> Result<(Reader, HeaderMap), Status> {
    let guest = request.extensions().get::<Reader>().cloned();
    let guest = guest.ok_or_else(|| Status::internal("nobody has connected"))?;
    Ok((guest, request.metadata().as_ref().clone()))
}

fn id(namespace: &str, name: &str) -> Result<DocumentId, Status> {
    let id = DocumentId::new(namespace, name);
    id.map_err(|error| Status::invalid_argument(error.to_string()))
}

#[tonic::async_trait]
impl Config for Service {
    async fn get_config(
        &self,
        request: Request<v1::GetConfigRequest>,
    ) -> Result<Response<v1::Document>, Status> {
        let (guest, headers) = shown(&request)?;
        let asked = request.into_inner();
        let id = id(&asked.namespace, &asked.name)?;
        let reader = self.server.reader(&guest, &headers).await?;
        let reveals = self.server.sees(&reader, &id).await?;
        let Some(document) = self.server.documents.get(&id) else {
            return Err(Status::not_found(format!("there is no document {id}")));
        };
        let document = self.server.shown(&reader, &document, reveals).await;
        Ok(Response::new(document))
    }

    type WatchConfigStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchConfigResponse, Status>> + Send>>;

    async fn watch_config(
        &self,
        request: Request<v1::WatchConfigRequest>,
    ) -> Result<Response<Self::WatchConfigStream>, Status> {
        let (guest, headers) = shown(&request)?;
        let asked = request.into_inner();
        let id = id(&asked.namespace, &asked.name)?;
        let reader = self.server.reader(&guest, &headers).await?;
        self.server.sees(&reader, &id).await?;
        let watched = Watched {
            server: Arc::clone(&self.server),
            ends: self.ends.clone(),
            guest,
            headers,
            id,
            seen: match asked.from_revision {
                0 => None,
                from => Some(Revision(from)),
            },
        };
        let messages = stream::try_unfold(watched, async |mut watched| {
            let message = watched.next().await?;
            Ok(message.map(|message| (message, watched)))
        });
        Ok(Response::new(Box::pin(messages)))
    }
}

/// One client that follows one document. What is new is asked for when the client has taken the last message,
/// so a slow one costs no queue.
struct Watched {
    server: Arc<Server>,
    ends: Shutdown,
    guest: Reader,
    headers: HeaderMap,
    id: DocumentId,
    /// Everything up to here was told; `None` before the first message.
    seen: Option<Revision>,
}

impl Watched {
    /// The next message; `None` when the server ends.
    async fn next(&mut self) -> Result<Option<v1::WatchConfigResponse>, Status> {
        let documents = Arc::clone(&self.server.documents);
        let is_news = match self.seen {
            None => true,
            Some(seen) => {
                let deadline = Instant::now() + BOOKMARK_INTERVAL;
                tokio::select! {
                    wake = documents.wait(&self.id, seen, deadline) => wake != Wake::TimedOut,
                    () = ending(&mut self.ends) => return Ok(None),
                }
            }
        };
        let reader = self.server.reader(&self.guest, &self.headers).await?;
        let reveals = self.server.sees(&reader, &self.id).await?;
        // Before the look at the document: one that comes in between is news for this index.
        let index = documents.index(&self.id);
        self.seen = Some(index);
        let document = match documents.get(&self.id).filter(|_| is_news) {
            Some(document) => Some(self.server.shown(&reader, &document, reveals).await),
            None => None,
        };
        Ok(Some(v1::WatchConfigResponse {
            revision: index.0,
            document,
        }))
    }
}
