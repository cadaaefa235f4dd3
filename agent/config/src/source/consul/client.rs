//! Questions to Consul's key-value API.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::ConsulSettings;
use crate::{
    net::{CallError, Remote},
    source::{Keys, keys::Rows},
};

/// Bytes of the longest answer: values come as base64.
const MOST: usize = 64 << 20;
/// How long a question is held when there is no news.
const WAIT: Duration = Duration::from_secs(300);
/// How long an answer may take that is not held. Consul holds others up to a sixteenth longer than asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// What stays as it is in the path of a key.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A client of one server, for certain keys.
pub(super) struct Client {
    settings: ConsulSettings,
    remote: Remote,
}

/// What there was at an index.
pub(super) struct Answer {
    pub(super) index: u64,
    pub(super) rows: Rows,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    key: String,
    /// Nothing stands for an empty value.
    value: Option<String>,
}

impl Client {
    pub(super) fn new(settings: ConsulSettings) -> Result<Self, CallError> {
        Ok(Self {
            remote: Remote::new(&settings.address, &settings.trust)?,
            settings,
        })
    }

    /// What there is: at once, or when it changed after `seen`.
    pub(super) async fn ask(&self, seen: Option<u64>) -> Result<Answer, String> {
        let mut request = Request::get(self.remote.path(&self.path(seen)));
        if let Some(token) = &self.settings.token {
            request = request.header("X-Consul-Token", token.expose());
        }
        let request = request.body(Full::default());
        // Not the error's words: they may quote the token.
        let request = request.map_err(|_malformed| "key or token cannot be sent".to_owned())?;
        let patience = match seen {
            Some(_) => WAIT + WAIT / 16 + PATIENCE,
            None => PATIENCE,
        };
        let answer = tokio::time::timeout(patience, self.remote.exchange(request, MOST)).await;
        let answer = answer.map_err(|_late| format!("no answer within {patience:?}"))?;
        understood(&answer.map_err(|error| error.to_string())?)
    }

    fn path(&self, seen: Option<u64>) -> String {
        let keys = &self.settings.keys;
        let mut query = form_urlencoded::Serializer::new(String::new());
        if matches!(keys, Keys::Folder(_)) {
            query.append_pair("recurse", "true");
        }
        if !self.settings.data_center.is_empty() {
            query.append_pair("dc", &self.settings.data_center);
        }
        if let Some(seen) = seen {
            query.append_pair("index", &seen.to_string());
            query.append_pair("wait", &format!("{}s", WAIT.as_secs()));
        }
        let key = utf8_percent_encode(keys.name(), KEPT);
        format!("/v1/kv/{key}?{}", query.finish())
    }
}

fn understood(answer: &Response<Bytes>) -> Result<Answer, String> {
    let rows = match answer.status() {
        StatusCode::OK => rows(answer.body())?,
        StatusCode::NOT_FOUND => Rows::new(),
        status => {
            let text = String::from_utf8_lossy(answer.body());
            let told: String = text.chars().take(200).collect();
            return Err(format!("{status}: {}", told.trim()));
        }
    };
    // Not even that a key is not there is believed of a server that is something else.
    let index = index(answer.headers())
        .ok_or("the answer has no X-Consul-Index: this is no key-value API of Consul")?;
    Ok(Answer { index, rows })
}

fn index(headers: &HeaderMap) -> Option<u64> {
    headers.get("X-Consul-Index")?.to_str().ok()?.parse().ok()
}

fn rows(body: &[u8]) -> Result<Rows, String> {
    // Not the parser's words: they may quote a value.
    let rows: Vec<Row> = serde_json::from_slice(body)
        .map_err(|_malformed| "the answer is not of Consul's form".to_owned())?;
    let decoded = rows.into_iter().map(|row| {
        let value = STANDARD.decode(row.value.unwrap_or_default());
        let value = value.map_err(|_malformed| format!("the value of {:?} is no base64", row.key));
        Ok((row.key.into_bytes(), value?.into()))
    });
    decoded.collect()
}
