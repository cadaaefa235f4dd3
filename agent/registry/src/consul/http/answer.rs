//! Answers: status, headers and a body that is already bytes.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;
use serde::Serialize;

use crate::{
    Freshness, Revision, Trust,
    consul::{
        error::ApiError,
        options::{Consistency, Options},
    },
};

const INDEX: HeaderName = HeaderName::from_static("x-consul-index");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-consul-contenthash");
const KNOWN_LEADER: HeaderName = HeaderName::from_static("x-consul-knownleader");
const LAST_CONTACT: HeaderName = HeaderName::from_static("x-consul-lastcontact");
const CONSISTENCY: HeaderName = HeaderName::from_static("x-consul-effective-consistency");
const BACKEND: HeaderName = HeaderName::from_static("x-consul-query-backend");
const POLICY: HeaderName = HeaderName::from_static("x-consul-default-acl-policy");
const CACHE: HeaderName = HeaderName::from_static("x-cache");
const AGE: HeaderName = HeaderName::from_static("age");

const STALE: HeaderName = HeaderName::from_static("x-golens-stale");
const PROTECTED: HeaderName = HeaderName::from_static("x-golens-protected");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Status.
    pub(crate) status: StatusCode,
    /// What the body is; `None` for no body.
    pub(crate) content_type: Option<HeaderValue>,
    /// Further headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Body.
    pub(crate) body: Bytes,
}

impl Answer {
    /// 200 without a body: all that the Go client wants to know of a registration.
    #[must_use]
    pub(crate) fn done() -> Self {
        Self {
            status: StatusCode::OK,
            content_type: None,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// 200 with JSON that is already rendered.
    #[must_use]
    pub(crate) fn json(body: impl Into<Bytes>) -> Self {
        Self::of(StatusCode::OK, JSON, body)
    }

    /// Any status with text.
    #[must_use]
    pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::of(status, TEXT, body)
    }

    /// Any status with any content.
    #[must_use]
    pub(crate) fn of(
        status: StatusCode,
        content_type: HeaderValue,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            status,
            content_type: Some(content_type),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// 200 with `value` as JSON; for people when they ask for it.
    ///
    /// # Errors
    /// A value that has no JSON form is a fault of ours.
    pub(crate) fn render(value: &impl Serialize, options: &Options) -> Result<Self, ApiError> {
        let body = if options.pretty {
            serde_json::to_vec_pretty(value)
        } else {
            serde_json::to_vec(value)
        };
        body.map(Self::json)
            .map_err(|error| ApiError::internal(format!("cannot render the answer: {error}")))
    }

    /// The same answer with another status.
    #[must_use]
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same answer with one more header.
    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer of a query, with the index that a blocking query waits for.
    #[must_use]
    pub(crate) fn at(self, index: Revision, options: &Options) -> Self {
        self.with(INDEX, HeaderValue::from(index.0)).query(options)
    }

    /// The answer of a query, with the hash that a blocking query waits for.
    #[must_use]
    pub(crate) fn hashed(self, hash: &str, options: &Options) -> Self {
        let answer = self.query(options);
        match HeaderValue::from_str(hash) {
            Ok(value) => answer.with(CONTENT_HASH, value),
            Err(_) => answer,
        }
    }

    /// The headers of every query. The Go client takes a missing `X-Consul-LastContact` for no leader.
    fn query(mut self, options: &Options) -> Self {
        let consistency = match options.consistency {
            Consistency::Default => "leader",
            Consistency::Stale => "stale",
            Consistency::Consistent => "consistent",
        };
        self.headers.extend([
            (KNOWN_LEADER, HeaderValue::from_static("true")),
            (LAST_CONTACT, HeaderValue::from_static("0")),
            (CONSISTENCY, HeaderValue::from_static(consistency)),
            (BACKEND, HeaderValue::from_static("blocking-query")),
        ]);
        if options.cached {
            self.headers.extend([
                (CACHE, HeaderValue::from_static("HIT")),
                (AGE, HeaderValue::from_static("0")),
            ]);
        }
        self
    }

    /// The answer of a query about all nodes, with how far it is to be trusted; any other answer as it is.
    #[must_use]
    pub(crate) fn trusted(mut self, trust: Trust) -> Self {
        let contact = self
            .headers
            .iter_mut()
            .find(|(name, _)| *name == LAST_CONTACT);
        let Some((_, contact)) = contact else {
            return self;
        };
        let age = u64::try_from(trust.last_contact.as_millis()).unwrap_or(u64::MAX);
        *contact = HeaderValue::from(age);
        if trust.freshness != Freshness::Fresh {
            let word = HeaderValue::from_static(trust.freshness.as_str());
            self.headers.push((STALE, word));
        }
        if trust.protected {
            self.headers
                .push((PROTECTED, HeaderValue::from_static("true")));
        }
        self
    }

    /// The answer of a query with what callers without a token get; any other answer as it is.
    #[must_use]
    pub(crate) fn with_policy(mut self, policy: &'static str) -> Self {
        if self.headers.iter().any(|(name, _)| *name == INDEX) {
            self.headers
                .push((POLICY, HeaderValue::from_static(policy)));
        }
        self
    }

    /// 405, with the methods that are allowed.
    #[must_use]
    pub(crate) fn method_not_allowed(method: &http::Method, allowed: &'static str) -> Self {
        let text = format!("method {method} not allowed");
        Self::text(StatusCode::METHOD_NOT_ALLOWED, text)
            .with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// 200 with the methods that are allowed.
    #[must_use]
    pub(crate) fn options(allowed: &'static str) -> Self {
        Self::done().with(ALLOW, HeaderValue::from_static(allowed))
    }

    /// 501: the path is none of ours.
    #[must_use]
    pub(crate) fn not_implemented(path: &str) -> Self {
        let text = format!("{path} is not part of golens' Consul API");
        Self::text(StatusCode::NOT_IMPLEMENTED, text)
    }

    /// What hyper sends.
    #[must_use]
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        // Room for all of them, and for those that hyper adds.
        headers.reserve(self.headers.len() + 3);
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        headers.extend(self.headers);
        response
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        let answer = Self::text(error.status, error.text.into_owned());
        match error.retry_after_s {
            Some(seconds) => answer.with(RETRY_AFTER, HeaderValue::from(seconds)),
            None => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_answered_with_the_headers_the_go_client_parses() {
        let options = Options {
            cached: true,
            ..Options::default()
        };
        let answer = Answer::json("[]").at(Revision(7), &options);
        let response = answer.with_policy("deny").into_response();
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("X-Consul-Index"), "7");
        assert_eq!(header("X-Consul-LastContact"), "0");
        assert_eq!(header("X-Consul-KnownLeader"), "true");
        assert_eq!(header("X-Consul-Effective-Consistency"), "leader");
        assert_eq!(header("X-Consul-Default-ACL-Policy"), "deny");
        assert_eq!(header("X-Cache"), "HIT");
        assert_eq!(header("Content-Type"), "application/json");
    }

    #[test]
    fn an_answer_says_how_far_it_is_to_be_trusted() {
        let trust = Trust {
            freshness: Freshness::Stale,
            last_contact: std::time::Duration::from_millis(31_500),
            protected: true,
        };
        let answer = Answer::json("[]").at(Revision(7), &Options::default());
        let response = answer.clone().trusted(trust).into_response();
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("X-Consul-LastContact"), "31500");
        assert_eq!(header("X-Golens-Stale"), "stale");
        assert_eq!(header("X-Golens-Protected"), "true");
        let response = answer.trusted(Trust::default()).into_response();
        assert_eq!(response.headers()["X-Consul-LastContact"], "0");
        assert!(!response.headers().contains_key("X-Golens-Stale"));
    }

    #[test]
    fn an_error_is_one_line_of_text() {
        let response = Answer::from(ApiError::bad_request("Invalid index")).into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let content_type = &response.headers()[CONTENT_TYPE];
        assert_eq!(content_type, "text/plain; charset=utf-8");
    }
}
