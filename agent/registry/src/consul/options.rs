//! What every request may ask for: consistency, waiting, namespace, filter.

use std::time::Duration;

use http::{HeaderMap, header::AUTHORIZATION};

use super::{duration::GoDuration, error::ApiError, query::Query};

/// How long a blocking query waits when it does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(300);
/// The longest wait, whatever the caller asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Share of the wait that is added at random, so that clients do not come back all at once.
const JITTER_SHARE: u32 = 16;

/// Options of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Wait until the index of the answer exceeds this; 0 for not at all.
    pub(crate) index: u64,
    /// Wait until the hash of the answer differs from this.
    pub(crate) hash: Option<String>,
    /// The longest wait, jitter not included.
    pub(crate) wait: Duration,
    /// Which reads the caller allows.
    pub(crate) consistency: Consistency,
    /// Node that comes first in the answer; `_agent` for this one.
    pub(crate) near: Option<String>,
    /// Keys and values that the node must have.
    pub(crate) node_meta: Vec<(String, String)>,
    /// Filter expression.
    pub(crate) filter: Option<String>,
    /// Whether the JSON is for people.
    pub(crate) pretty: bool,
    /// Whether an answer from a cache will do. Ours is always current.
    pub(crate) cached: bool,
    /// Datacenter that is asked; none for our own.
    pub(crate) datacenter: Option<String>,
    /// Namespace that is asked; none for the default.
    pub(crate) namespace: Option<String>,
    /// Whether tags that nobody well has fall back to the namespace.
    pub(crate) fallback: bool,
    /// Token shown.
    pub(crate) token: Option<String>,
}

/// Which reads are allowed. One node answers them all alike; the words are echoed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// What a leader knows.
    #[default]
    Default,
    /// What anybody knows.
    Stale,
    /// What a leader that asked its peers knows.
    Consistent,
}

impl Options {
    /// Whether the answer may be held back.
    pub(crate) fn may_wait(&self) -> bool {
        self.index > 0 || self.hash.is_some()
    }

    /// Reads query and headers.
    ///
    /// # Errors
    /// An option is malformed, or two exclude each other.
    pub(crate) fn parse(query: &Query<'_>, headers: &HeaderMap) -> Result<Self, ApiError> {
        if let Some(partition) = query.get("partition").filter(|name| *name != "default") {
            return Err(ApiError::bad_request(format!(
                "Invalid query parameter: \"partition\" - there is no partition {partition:?} here"
            )));
        }
        let owned = |name: &str| query.get(name).map(str::to_owned);
        Ok(Self {
            index: index(query)?,
            hash: owned("hash"),
            wait: wait(query)?,
            consistency: consistency(query)?,
            near: owned("near"),
            node_meta: query.all("node-meta").map(key_and_value).collect(),
            filter: owned("filter"),
            pretty: query.has("pretty"),
            cached: query.has("cached"),
            datacenter: owned("dc"),
            namespace: owned("ns").or_else(|| header(headers, "x-consul-namespace")),
            fallback: query.has("fallback"),
            token: token(query, headers),
        })
    }

    /// The wait with its jitter: `random` is any number, equally likely over its range.
    #[must_use]
    pub(crate) fn wait_with_jitter(&self, random: u32) -> Duration {
        let most = self.wait / JITTER_SHARE;
        self.wait + most.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

fn index(query: &Query<'_>) -> Result<u64, ApiError> {
    match query.get("index") {
        Some(text) => text
            .parse()
            .map_err(|_error| ApiError::bad_request("Invalid index")),
        None => Ok(0),
    }
}

/// Zero and less ask for the default, as in Consul.
fn wait(query: &Query<'_>) -> Result<Duration, ApiError> {
    let Some(text) = query.get("wait") else {
        return Ok(DEFAULT_WAIT);
    };
    let wait = GoDuration::parse(text)
        .map_err(|_error| ApiError::bad_request("Invalid wait time"))?
        .to_std();
    Ok(if wait.is_zero() {
        DEFAULT_WAIT
    } else {
        wait.min(LONGEST_WAIT)
    })
}

fn consistency(query: &Query<'_>) -> Result<Consistency, ApiError> {
    match (query.has("stale"), query.has("consistent")) {
        (true, true) => Err(ApiError::bad_request(
            "Cannot specify ?stale with ?consistent, conflicting semantics.",
        )),
        (false, true) if query.has("cached") => Err(ApiError::bad_request(
            "Cannot specify ?cached with ?consistent, conflicting semantics.",
        )),
        (true, false) => Ok(Consistency::Stale),
        (false, true) => Ok(Consistency::Consistent),
        (false, false) => Ok(Consistency::Default),
    }
}

/// `key:value`; without a colon the value is empty.
fn key_and_value(text: &str) -> (String, String) {
    let (key, value) = text.split_once(':').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

fn token(query: &Query<'_>, headers: &HeaderMap) -> Option<String> {
    let bearer = || {
        let text = header(headers, AUTHORIZATION.as_str())?;
        let (scheme, token) = text.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned())
    };
    query
        .get("token")
        .map(str::to_owned)
        .or_else(|| header(headers, "x-consul-token"))
        .or_else(bearer)
        .filter(|token| !token.is_empty())
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn options(query: &str) -> Result<Options, ApiError> {
        Options::parse(&Query::parse(Some(query)), &HeaderMap::new())
    }

    fn text(query: &str) -> String {
        options(query).unwrap_err().to_string()
    }

    #[test]
    fn nothing_asked_is_nothing_waited_for() {
        let options = options("").unwrap();
        assert_eq!(options.index, 0);
        assert_eq!(options.wait, DEFAULT_WAIT);
        assert_eq!(options.consistency, Consistency::Default);
    }

    #[test]
    fn everything_a_client_sends_is_read() {
        let options = options(
            "index=7&wait=55000ms&stale=&near=_agent&node-meta=a:b:c&node-meta=d&ns=staging&pretty&dc=dc1\
             &filter=Node+%3D%3D+x&cached=&hash=ab",
        )
        .unwrap();
        assert_eq!(
            options,
            Options {
                index: 7,
                hash: Some("ab".to_owned()),
                wait: Duration::from_secs(55),
                consistency: Consistency::Stale,
                near: Some("_agent".to_owned()),
                node_meta: vec![
                    ("a".to_owned(), "b:c".to_owned()),
                    ("d".to_owned(), String::new())
                ],
                filter: Some("Node == x".to_owned()),
                pretty: true,
                cached: true,
                datacenter: Some("dc1".to_owned()),
                namespace: Some("staging".to_owned()),
                fallback: false,
                token: None,
            }
        );
    }

    #[test]
    fn what_cannot_be_is_refused_in_consuls_words() {
        assert_eq!(text("index=-1"), "400 Bad Request: Invalid index");
        assert_eq!(text("wait=soon"), "400 Bad Request: Invalid wait time");
        assert_eq!(
            text("stale&consistent"),
            "400 Bad Request: Cannot specify ?stale with ?consistent, conflicting semantics."
        );
        assert!(text("partition=p").contains("no partition \"p\""));
    }

    #[test]
    fn the_wait_is_bounded_and_spread() {
        let wait = |query| options(query).unwrap().wait;
        assert_eq!(wait("wait=24h"), LONGEST_WAIT);
        assert_eq!(wait("wait=0s"), DEFAULT_WAIT);
        let options = options("wait=16s").unwrap();
        assert_eq!(options.wait_with_jitter(0), Duration::from_secs(16));
        assert_eq!(options.wait_with_jitter(u32::MAX), Duration::from_secs(17));
    }

    #[test]
    fn a_token_comes_by_query_or_header() {
        let token = |query, headers: [(&'static str, &'static str); 1]| {
            let headers = headers.map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            });
            let options =
                Options::parse(&Query::parse(Some(query)), &HeaderMap::from_iter(headers));
            options.unwrap().token
        };
        assert_eq!(
            token("token=q", [("x-consul-token", "h")]).as_deref(),
            Some("q")
        );
        assert_eq!(token("", [("x-consul-token", "h")]).as_deref(), Some("h"));
        assert_eq!(
            token("", [("authorization", "Bearer b")]).as_deref(),
            Some("b")
        );
        assert_eq!(token("", [("authorization", "Basic b")]), None);
        assert_eq!(token("", [("x-consul-token", "")]), None);
    }
}
