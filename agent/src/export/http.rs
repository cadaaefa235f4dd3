//! What HTTP exporters share: the client, and how its answers are read.

use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};

use super::{Error, outcome::Outcome};

/// Longest answer that is read; the rest of a longer one is left unread.
const ANSWER_BYTES: usize = 64 << 10;

/// Longest text of an answer that reaches the log.
const MESSAGE_CHARS: usize = 300;

/// A client for one back end.
///
/// # Errors
/// `HttpClient` when TLS cannot be set up.
pub(super) fn client(
    exporter: &'static str,
    url: &str,
    timeout: Duration,
) -> Result<reqwest::Client, Error> {
    install_crypto_provider();
    let mut builder = reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .user_agent(concat!("golens/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none());
    if url.starts_with("http://") {
        // Without TLS no root certificates are needed, and a minimal image has none to load.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|source| Error::HttpClient { exporter, source })
}

/// Makes ring the crypto provider of rustls, which is built without a default one.
pub(super) fn install_crypto_provider() {
    // An error means that a provider is installed already, which is all that is asked for.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Header names and values that can be sent.
///
/// # Errors
/// `Header` for the first that cannot.
pub(super) fn headers<'a>(
    exporter: &'static str,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::from_str(value).ok());
        let Some((key, mut value)) = parsed else {
            let name = name.to_owned();
            return Err(Error::Header { exporter, name });
        };
        // Headers carry credentials; they must not appear in debug output.
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// The status, what the server asks for, and the beginning of the body.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

/// Sends a request; a connection that fails or takes too long is worth another try.
pub(super) async fn send(request: reqwest::RequestBuilder) -> Result<Answer, Outcome> {
    let failed = |error: reqwest::Error| Outcome::Retry {
        after: None,
        message: chain(&error),
    };
    let mut response = request.send().await.map_err(failed)?;
    let mut answer = Answer {
        status: response.status(),
        retry_after: response.headers().get(RETRY_AFTER).and_then(retry_after),
        body: Vec::new(),
    };
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        let room = ANSWER_BYTES.saturating_sub(answer.body.len());
        answer.body.extend(chunk.iter().take(room));
        if room < chunk.len() {
            break;
        }
    }
    Ok(answer)
}

impl Answer {
    /// Reads an answer that is no success, given which statuses are worth another try.
    pub(super) fn failure(&self, retry: impl Fn(StatusCode) -> bool) -> Outcome {
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.trim().chars().take(MESSAGE_CHARS).collect();
        let message = format!("status {}: {text}", self.status.as_u16());
        if retry(self.status) {
            let after = self.retry_after;
            Outcome::Retry { after, message }
        } else {
            Outcome::Refused { message }
        }
    }
}

/// `Retry-After` in seconds; the form with a date is not read and leaves the pause to us.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let seconds = value.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// An error with its causes: the outermost text alone says only that sending failed.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_a_server_asks_for_is_read_in_seconds() {
        let read = |text: &'static str| retry_after(&HeaderValue::from_static(text));
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read(" 0 "), Some(Duration::ZERO));
        assert_eq!(read("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(read("-1"), None);
    }

    #[test]
    fn headers_that_cannot_be_sent_are_named_without_their_value() {
        let error = headers("otlp", [("x-token", "line\nbreak")].into_iter());
        let text = error.expect_err("a newline cannot be sent").to_string();
        assert!(
            text.contains("x-token") && !text.contains("break"),
            "{text}"
        );
    }
}
