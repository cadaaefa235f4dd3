//! Spans over OTLP, one `ResourceSpans` per process.

mod encode;
mod endpoint;
mod grpc;
mod http;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{Error, Ready, outcome::Policy};
use crate::{
    config::{self, OtlpProtocol},
    correlate::Span,
};

pub(super) const EXPORTER: &str = "otlp";

/// Makes the exporter ready, when the configuration or `OTEL_EXPORTER_OTLP_*` names an endpoint.
///
/// Call it inside a tokio runtime.
///
/// # Errors
/// Any variant of [`Error`], when the settings cannot work.
pub(super) fn ready(config: &config::Otlp) -> Result<Option<Ready<Arc<Span>>>, Error> {
    let variable = |name: &str| std::env::var(name).ok();
    ready_with(config, variable, Policy::default())
}

fn ready_with(
    config: &config::Otlp,
    variable: impl Fn(&str) -> Option<String>,
    policy: Policy,
) -> Result<Option<Ready<Arc<Span>>>, Error> {
    let Some(endpoint) = endpoint::resolve(config, variable)? else {
        return Ok(None);
    };
    let (url, queue) = (endpoint.url.clone(), config.queue);
    Ok(Some(match endpoint.protocol {
        OtlpProtocol::Grpc => Ready::new(grpc::Grpc::new(&endpoint)?, url, queue, policy),
        OtlpProtocol::HttpProtobuf => Ready::new(http::Http::new(&endpoint)?, url, queue, policy),
    }))
}

/// Bytes of a span in a request, roughly.
fn weight(span: &Span) -> usize {
    use crate::correlate::Attributes;
    let text = match &span.attributes {
        Attributes::HttpServer(http) => {
            http.path.len() + http.query.as_ref().map_or(0, String::len)
        }
        Attributes::GrpcServer(grpc) => grpc.method.len(),
    };
    512 + text
}
