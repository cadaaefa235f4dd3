//! OTLP over gRPC.

use std::{sync::Arc, time::Duration};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, trace_service_client::TraceServiceClient,
};
use prost::Message;
use tonic::{
    Code, Request, Status,
    metadata::MetadataMap,
    transport::{Channel, ClientTlsConfig, Endpoint as Target},
};

use super::{EXPORTER, encode, endpoint::Endpoint, http::accepted, weight};
use crate::{
    correlate::Span,
    export::{
        Error,
        destination::Backend,
        http::{chain, headers, install_crypto_provider},
        outcome::Outcome,
    },
};

/// A collector that is connected to when the first batch is sent, and again after each failure.
pub(super) struct Grpc {
    client: TraceServiceClient<Channel>,
    metadata: MetadataMap,
}

impl Grpc {
    /// # Errors
    /// `Endpoint`, `Header` or `GrpcClient` when the settings cannot work.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let broken = |source| Error::GrpcClient {
            exporter: EXPORTER,
            source,
        };
        let mut target = Target::from_shared(endpoint.url.clone())
            .map_err(|_invalid| Error::Endpoint {
                exporter: EXPORTER,
                endpoint: endpoint.url.clone(),
                problem: "it is no URL",
            })?
            .timeout(endpoint.timeout)
            .connect_timeout(endpoint.timeout.min(Duration::from_secs(5)))
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .user_agent(concat!("golens/", env!("CARGO_PKG_VERSION")))
            .map_err(broken)?;
        if endpoint.url.starts_with("https://") {
            install_crypto_provider();
            let tls = ClientTlsConfig::new().with_native_roots();
            target = target.tls_config(tls).map_err(broken)?;
        }
        let pairs = endpoint
            .headers
            .iter()
            .map(|(name, value)| (&**name, &**value));
        Ok(Self {
            client: TraceServiceClient::new(target.connect_lazy()),
            metadata: MetadataMap::from_headers(headers(EXPORTER, pairs)?),
        })
    }
}

impl Backend for Grpc {
    type Item = Arc<Span>;
    type Request = ExportTraceServiceRequest;

    fn weight(item: &Arc<Span>) -> usize {
        weight(item)
    }

    fn encode(&mut self, batch: &[Arc<Span>]) -> ExportTraceServiceRequest {
        encode::request(batch)
    }

    async fn send(&self, request: &ExportTraceServiceRequest) -> Outcome {
        let mut call = Request::new(request.clone());
        *call.metadata_mut() = self.metadata.clone();
        match self.client.clone().export(call).await {
            Ok(response) => accepted(response.into_inner()),
            Err(status) => failure(&status),
        }
    }
}

/// Reads a failed call as the OTLP specification says.
fn failure(status: &Status) -> Outcome {
    let after = retry_delay(status.details());
    let message = format!("{:?}: {}", status.code(), chain(status));
    let retry = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        // Worth another try only when the server says that it will recover.
        Code::ResourceExhausted => after.is_some(),
        // The transport broke under the call; the collector has not judged it.
        Code::Unknown => std::error::Error::source(status).is_some(),
        _ => false,
    };
    match retry {
        true => Outcome::Retry { after, message },
        false => Outcome::Refused { message },
    }
}

/// `google.rpc.Status`, as far as it is needed.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The pause that the details of a status ask for.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let status = RpcStatus::decode(details).ok()?;
    let info = status
        .details
        .iter()
        .find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&*info.value).ok()?.retry_delay?;
    let seconds = u64::try_from(delay.seconds).ok()?;
    let nanos = u32::try_from(delay.nanos).ok()?.min(999_999_999);
    Some(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_retry_info(code: Code) -> Status {
        let info = RetryInfo {
            retry_delay: Some(Delay {
                seconds: 5,
                nanos: 500_000_000,
            }),
        };
        let any = Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: info.encode_to_vec(),
        };
        let details = RpcStatus { details: vec![any] }.encode_to_vec();
        Status::with_details(code, "busy", details.into())
    }

    #[test]
    fn an_exhausted_collector_is_asked_again_only_when_it_says_when() {
        let asked = failure(&with_retry_info(Code::ResourceExhausted));
        let pause = Some(Duration::from_millis(5_500));
        assert!(
            matches!(asked, Outcome::Retry { after, .. } if after == pause),
            "{asked:?}"
        );
        let silent = failure(&Status::resource_exhausted("quota"));
        assert!(matches!(silent, Outcome::Refused { .. }), "{silent:?}");
    }

    #[test]
    fn codes_are_read_as_the_specification_says() {
        let unavailable = failure(&Status::unavailable("down"));
        assert!(matches!(unavailable, Outcome::Retry { after: None, .. }));
        for code in [
            Code::InvalidArgument,
            Code::Unauthenticated,
            Code::Unimplemented,
        ] {
            let outcome = failure(&Status::new(code, "no"));
            assert!(matches!(outcome, Outcome::Refused { .. }), "{code:?}");
        }
        assert_eq!(retry_delay(b"\xff\xff"), None);
    }
}
