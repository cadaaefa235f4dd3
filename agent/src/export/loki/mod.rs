//! Log lines over Loki's push API.

use std::sync::Arc;

use super::{Error, ExporterHandle};
use crate::{config, logs::LogRecord, telemetry::Telemetry};

/// Starts the exporter when the configuration names an endpoint.
///
/// Call it inside a tokio runtime.
///
/// # Errors
/// `Endpoint` when the address cannot be used.
pub fn start(
    _config: &config::Loki,
    _telemetry: &Telemetry,
) -> Result<Option<ExporterHandle<Arc<LogRecord>>>, Error> {
    Ok(None)
}
