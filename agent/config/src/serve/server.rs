//! The documents of a node, for programs of any kind; here over HTTP.

use std::{fmt, sync::Arc};

use ::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use listen::{
    Listener, Origin, Shutdown, ending,
    http1::{self, Handler},
};

use super::{
    http::{Serving, Witness},
    recognised,
};
use crate::{
    Access, Denied, DocumentId, Documents, Mask, Right,
    caller::{Door, Reader},
    roles::Ledger,
};

/// Answers [`http`](super::http) and [`grpc`](super::grpc) on listeners.
pub struct Server {
    /// The documents.
    pub documents: Arc<Documents>,
    /// Who may see which.
    pub access: Arc<dyn Access<Reader>>,
    /// What is hidden from those who ask for it masked.
    pub mask: Arc<dyn Mask>,
    /// Who calls.
    pub door: Door,
    /// Where refusals and looks at secrets are noted.
    pub ledger: Ledger,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.door).finish()
    }
}

impl Server {
    /// Answers whoever connects, until `shutdown`. Who waits for news is then told to come again.
    pub async fn serve_http(self: Arc<Self>, listener: Listener, shutdown: Shutdown) {
        let served = Served {
            server: self,
            shutdown: shutdown.clone(),
        };
        http1::serve(listener, Arc::new(served), shutdown).await;
    }

    async fn answer(
        &self,
        method: &Method,
        headers: &HeaderMap,
        path: &str,
        query: &str,
        guest: Reader,
    ) -> Response<String> {
        if method != Method::GET && method != Method::HEAD {
            return said(
                StatusCode::METHOD_NOT_ALLOWED,
                "documents are read with GET",
            );
        }
        let notes = (&self.door, &self.ledger);
        let reader = match recognised(notes, guest, headers, path).await {
            Ok(reader) => reader,
            Err(error) => return said(StatusCode::FORBIDDEN, &error.to_string()),
        };
        let serving = Serving {
            documents: &self.documents,
            access: &*self.access,
            mask: &*self.mask,
            witness: &self.ledger,
        };
        serving.answer(&reader, path, query).await
    }
}

impl Witness<Reader> for Ledger {
    fn note<'a>(
        &'a self,
        caller: &'a Reader,
        right: Right,
        document: &'a DocumentId,
        denied: Option<&'a Denied>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let outcome = denied.map_or_else(|| "done".to_owned(), ToString::to_string);
            self.note(&caller.name, right, document, &outcome).await;
        })
    }
}

/// A server as connections see it.
struct Served {
    server: Arc<Server>,
    shutdown: Shutdown,
}

impl Handler for Served {
    type Guest = Reader;

    async fn meet(&self, origin: Origin) -> Reader {
        self.server.door.meet(&origin).await
    }

    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        guest: Reader,
    ) -> Response<Full<Bytes>> {
        // A held request keeps what it asked, and no body.
        let (parts, body) = request.into_parts();
        drop(body);
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let mut ends = self.shutdown.clone();
        let answer = tokio::select! {
            answer = self.server.answer(&parts.method, &parts.headers, path, query, guest) => answer,
            () = ending(&mut ends) => said(StatusCode::SERVICE_UNAVAILABLE, "golens is ending; ask again"),
        };
        answer.map(|body| Full::new(body.into()))
    }
}

fn said(status: StatusCode, sentence: &str) -> Response<String> {
    let mut response = Response::new(format!("{sentence}\n"));
    *response.status_mut() = status;
    response
}
