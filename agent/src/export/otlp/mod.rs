//! Spans over OTLP.

use std::sync::Arc;

use super::{Error, ExporterHandle};
use crate::{config, correlate::Span, telemetry::Telemetry};

/// Starts the exporter when the configuration or `OTEL_EXPORTER_OTLP_*` names an endpoint.
///
/// Call it inside a tokio runtime.
///
/// # Errors
/// `Endpoint` when the address cannot be used.
pub fn start(
    _config: &config::Otlp,
    _telemetry: &Telemetry,
) -> Result<Option<ExporterHandle<Arc<Span>>>, Error> {
    Ok(None)
}
