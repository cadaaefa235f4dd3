//! Spans over OTLP, one `ResourceSpans` per process.

mod encode;
mod endpoint;
mod grpc;
mod http;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{Error, ExporterHandle, outcome::Policy, worker};
use crate::{
    config::{self, OtlpProtocol},
    correlate::Span,
    telemetry::Telemetry,
};

const EXPORTER: &str = "otlp";

/// Starts the exporter when the configuration or `OTEL_EXPORTER_OTLP_*` names an endpoint.
///
/// Call it inside a tokio runtime.
///
/// # Errors
/// Any variant of [`Error`], when the settings cannot work.
pub fn start(
    config: &config::Otlp,
    telemetry: &Telemetry,
) -> Result<Option<ExporterHandle<Arc<Span>>>, Error> {
    let variable = |name: &str| std::env::var(name).ok();
    start_with(config, variable, Policy::default(), telemetry)
}

fn start_with(
    config: &config::Otlp,
    variable: impl Fn(&str) -> Option<String>,
    policy: Policy,
    telemetry: &Telemetry,
) -> Result<Option<ExporterHandle<Arc<Span>>>, Error> {
    let Some(endpoint) = endpoint::resolve(config, variable)? else {
        return Ok(None);
    };
    tracing::info!(url = endpoint.url, protocol = ?endpoint.protocol, "sending spans");
    let metrics = telemetry.own().exporter(EXPORTER);
    let handle = match endpoint.protocol {
        OtlpProtocol::Grpc => {
            let backend = grpc::Grpc::new(&endpoint)?;
            worker::start(backend, config.queue, policy, metrics)
        }
        OtlpProtocol::HttpProtobuf => {
            let backend = http::Http::new(&endpoint)?;
            worker::start(backend, config.queue, policy, metrics)
        }
    };
    Ok(Some(handle))
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
