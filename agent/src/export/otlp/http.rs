//! OTLP over HTTP with protobuf bodies.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};

use super::{EXPORTER, encode, endpoint::Endpoint, weight};
use crate::{
    correlate::Span,
    export::{Error, destination::Backend, http, outcome::Outcome},
};

/// A collector reached with POST requests.
pub(super) struct Http {
    client: reqwest::Client,
    url: String,
    headers: HeaderMap,
}

impl Http {
    /// # Errors
    /// `Header` or `HttpClient` when the settings cannot work.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let pairs = endpoint
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value));
        Ok(Self {
            client: http::client(EXPORTER, &endpoint.url, endpoint.timeout)?,
            url: endpoint.url.clone(),
            headers: http::headers(EXPORTER, pairs)?,
        })
    }
}

impl Backend for Http {
    type Item = Arc<Span>;
    type Request = Vec<u8>;

    fn weight(item: &Arc<Span>) -> usize {
        weight(item)
    }

    fn encode(&mut self, batch: &[Arc<Span>]) -> Vec<u8> {
        encode::request(batch).encode_to_vec()
    }

    async fn send(&self, request: &Vec<u8>) -> Outcome {
        let post = self
            .client
            .post(&self.url)
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(request.clone());
        let answer = match http::send(post).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        if answer.status.is_success() {
            // A body that cannot be read says nothing against the data having been taken.
            let response = ExportTraceServiceResponse::decode(&*answer.body);
            return accepted(response.unwrap_or_default());
        }
        answer.failure(|status| {
            matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            )
        })
    }
}

/// Reads a success, which may hold a partial one.
pub(super) fn accepted(response: ExportTraceServiceResponse) -> Outcome {
    let partial = response.partial_success.unwrap_or_default();
    Outcome::Delivered {
        rejected: usize::try_from(partial.rejected_spans).unwrap_or(0),
        message: partial.error_message,
    }
}
