//! One request, taken apart.

use http::{Method, request::Parts};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::read_body;
use crate::{
    Caller,
    consul::{error::ApiError, fold, options::Options, query::Query},
    model::{DEFAULT_NAMESPACE, Name},
};

/// Bytes of the largest JSON body.
const MOST_JSON: usize = 1024 * 1024;

/// Before all paths of a client that wants tags to fall back to the namespace.
const FALLBACK: &str = "/fallback";

/// Head of a request. Owned and small: a held long poll keeps this, and not hyper's headers.
#[derive(Debug)]
pub(crate) struct Head {
    /// Method.
    pub(crate) method: Method,
    /// Path behind `/v1/`, decoded once; a `+` stays a `+`.
    pub(crate) path: String,
    /// What stands behind the question mark, not decoded.
    query: Option<String>,
    /// Options that every endpoint has.
    pub(crate) options: Options,
}

impl Head {
    /// Takes over what is needed of `parts`; `None` when the path is not one of ours.
    ///
    /// # Errors
    /// The path is not UTF-8, or an option is malformed.
    pub(crate) fn parse(parts: &Parts) -> Result<Option<Self>, ApiError> {
        let asked = parts.uri.path();
        let (path, falls_back) = match asked.strip_prefix(FALLBACK) {
            Some(path) => (path, true),
            None => (asked, false),
        };
        let Some(path) = path.strip_prefix("/v1/") else {
            return Ok(None);
        };
        let path = percent_decode_str(path)
            .decode_utf8()
            .map_err(|_error| ApiError::bad_request("The path is not UTF-8"))?;
        let query = parts.uri.query();
        let mut options = Options::parse(&Query::parse(query), &parts.headers)?;
        options.fallback |= falls_back;
        Ok(Some(Self {
            method: parts.method.clone(),
            path: path.into_owned(),
            query: query.map(str::to_owned),
            options,
        }))
    }

    /// The parameters.
    #[must_use]
    pub(crate) fn query(&self) -> Query<'_> {
        Query::parse(self.query.as_deref())
    }

    /// Namespace of the request; the body may name another.
    #[must_use]
    pub(crate) fn namespace(&self) -> Name {
        namespace_or(&self.options, "")
    }
}

/// The namespace that a body names, else that of the request, else the default.
#[must_use]
pub(crate) fn namespace_or(options: &Options, named: &str) -> Name {
    let asked = options.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    if named.is_empty() {
        asked.into()
    } else {
        named.into()
    }
}

/// A request that changes something.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its head.
    pub(crate) head: Head,
    /// Who calls.
    pub(crate) caller: Caller,
    body: Incoming,
}

impl Call {
    /// A request with its body still to be read.
    #[must_use]
    pub(crate) fn new(head: Head, caller: Caller, body: Incoming) -> Self {
        Self { head, caller, body }
    }

    /// Splits off the body.
    pub(crate) fn into_parts(self) -> (Head, Caller, Incoming) {
        (self.head, self.caller, self.body)
    }

    /// Reads the body as JSON; an empty one stands for `T::default()`.
    ///
    /// # Errors
    /// The body is too large, not JSON, or of another shape.
    pub(crate) async fn json<T: DeserializeOwned + Default>(
        self,
    ) -> Result<(Head, Caller, T), ApiError> {
        let body = read_body(self.body, MOST_JSON).await?;
        let value = if body.is_empty() {
            T::default()
        } else {
            fold::from_slice(&body)
                .map_err(|error| ApiError::bad_request(format!("Request decode failed: {error}")))?
        };
        Ok((self.head, self.caller, value))
    }
}
