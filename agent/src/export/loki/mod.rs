//! Log lines over Loki's push API.

mod encode;
mod proto;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};

use super::{
    Error, Ready,
    destination::Backend,
    http,
    outcome::{Outcome, Policy},
};
use crate::{config, logs::LogRecord};

pub(super) const EXPORTER: &str = "loki";
const PUSH_PATH: &str = "/loki/api/v1/push";

/// Makes the exporter ready, when the configuration names an endpoint.
///
/// Call it inside a tokio runtime.
///
/// # Errors
/// `Endpoint`, `Header` or `HttpClient`, when the settings cannot work.
pub(super) fn ready(config: &config::Loki) -> Result<Option<Ready<Arc<LogRecord>>>, Error> {
    ready_with(config, Policy::default())
}

fn ready_with(
    config: &config::Loki,
    policy: Policy,
) -> Result<Option<Ready<Arc<LogRecord>>>, Error> {
    let Some(endpoint) = &config.endpoint else {
        return Ok(None);
    };
    let url = url(endpoint).map_err(|problem| Error::Endpoint {
        exporter: EXPORTER,
        endpoint: without_credentials(endpoint),
        problem,
    })?;
    let tenant = config
        .tenant
        .iter()
        .map(|tenant| ("x-scope-orgid", &**tenant));
    let stated = config.headers.iter();
    let stated = stated.map(|(name, value)| (name.as_str(), value.expose()));
    let backend = Loki {
        client: http::client(EXPORTER, &url, config.timeout.0)?,
        headers: http::headers(EXPORTER, stated.chain(tenant))?,
        url: url.clone(),
        encoder: encode::Encoder::new(&config.labels),
    };
    Ok(Some(Ready::new(backend, url, config.queue, policy)))
}

/// The push address below a base address; an address without scheme means `http`.
fn url(endpoint: &str) -> Result<String, &'static str> {
    let endpoint = endpoint.trim();
    let base = match endpoint.contains("://") {
        true => endpoint.to_owned(),
        false => format!("http://{endpoint}"),
    };
    let parsed = reqwest::Url::parse(&base).map_err(|_invalid| "it is no URL")?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err("the scheme is neither http nor https");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("credentials belong into `headers`");
    }
    let base = base.trim_end_matches('/');
    match base.ends_with(PUSH_PATH) {
        true => Ok(base.to_owned()),
        false => Ok(format!("{base}{PUSH_PATH}")),
    }
}

/// An address as it may be shown.
fn without_credentials(endpoint: &str) -> String {
    match endpoint.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://[redacted]@{host}")
        }
        None => endpoint.to_owned(),
    }
}

/// A Loki, or what speaks its push API.
struct Loki {
    client: reqwest::Client,
    headers: HeaderMap,
    url: String,
    encoder: encode::Encoder,
}

impl Backend for Loki {
    type Item = Arc<LogRecord>;
    type Request = Vec<u8>;

    fn weight(item: &Arc<LogRecord>) -> usize {
        256 + item.line.len()
    }

    fn encode(&mut self, batch: &[Arc<LogRecord>]) -> Vec<u8> {
        self.encoder.encode(batch)
    }

    async fn send(&self, request: &Vec<u8>) -> Outcome {
        let post = self
            .client
            .post(&self.url)
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .body(request.clone());
        match http::send(post).await {
            Ok(answer) if answer.status.is_success() => Outcome::Delivered {
                rejected: 0,
                message: String::new(),
            },
            Ok(answer) => answer.failure(|status| {
                status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
            }),
            Err(outcome) => outcome,
        }
    }
}
