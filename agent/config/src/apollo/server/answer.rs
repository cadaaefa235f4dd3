//! Answers.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::Full;
use serde::Serialize;

use crate::caller::Peer;

/// Name under which clients look for a server that answers them.
const SERVICE: &str = "APOLLO-CONFIGSERVICE";

/// What a request is answered with.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
}

impl Answer {
    /// 200 with a value as JSON.
    pub(super) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::of("application/json;charset=UTF-8", body),
            Err(error) => Self::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    /// 200 with any content.
    pub(super) fn of(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            body: body.into(),
        }
    }

    /// A status with a sentence.
    pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "text/plain;charset=UTF-8",
            body: text.into(),
        }
    }

    /// 304: what the client has is still right.
    pub(super) fn unchanged() -> Self {
        Self::text(StatusCode::NOT_MODIFIED, "")
    }
}

impl From<Answer> for Response<Full<Bytes>> {
    fn from(answer: Answer) -> Self {
        let mut response = Self::new(Full::new(answer.body));
        *response.status_mut() = answer.status;
        let content_type = HeaderValue::from_static(answer.content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Service<'a> {
    app_name: &'a str,
    instance_id: String,
    homepage_url: String,
}

/// The one server there is: this one, by the name that the client has called it by.
pub(super) fn services(node: &str, headers: &HeaderMap, peer: &Peer) -> Answer {
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = match (named, peer) {
        (Some(host), _) => host.to_owned(),
        (None, Peer::Tcp { local, .. }) => local.to_string(),
        (None, Peer::Unix { .. }) => "localhost".to_owned(),
    };
    Answer::json(&[Service {
        app_name: SERVICE,
        instance_id: format!("{node}:golens:{host}"),
        homepage_url: format!("http://{host}/"),
    }])
}
