//! Requests to a real Apollo.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{Request, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use serde::Deserialize;

use super::{super::sign, ApolloSettings};
use crate::net::{CallError, Remote};

/// Bytes of the longest answer: 1,000 values of 20,000 characters, which is as much as Apollo keeps.
const MOST: usize = 32 * 1024 * 1024;
/// How long an answer may take that is not held.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a poll may be held: Apollo holds it for 60 s, and 90 s at most.
const HELD: Duration = Duration::from_secs(100);

/// A client of one application.
pub(super) struct Client {
    settings: ApolloSettings,
    remote: Remote,
}

/// A release as Apollo tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    pub(super) configurations: BTreeMap<String, String>,
    pub(super) release_key: String,
}

/// What Apollo says of a namespace.
pub(super) enum Answer {
    /// Its release.
    Release(Told),
    /// It is still the one that was named.
    Unchanged,
    /// It has none.
    None,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct News {
    notification_id: i64,
}

impl Client {
    pub(super) fn new(settings: ApolloSettings) -> Result<Self, CallError> {
        Ok(Self {
            remote: Remote::new(&settings.address, &settings.trust)?,
            settings,
        })
    }

    /// The release of the namespace, unless it is the one with `release_key`.
    pub(super) async fn release(&self, release_key: &str) -> Result<Answer, String> {
        let settings = &self.settings;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("releaseKey", release_key)
            .append_pair("ip", &settings.ip)
            .append_pair("label", &settings.label)
            .append_pair("dataCenter", &settings.data_center)
            .finish();
        let parts =
            [&settings.app, &settings.cluster, &settings.namespace].map(|part| encoded(part));
        let path = format!("/configs/{}?{query}", parts.join("/"));
        let (status, body) = self.get(&path, PATIENCE).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map(Answer::Release)
                // Not the parser's words: they may quote a value.
                .map_err(|_malformed| "its release is not of Apollo's form".to_owned()),
            StatusCode::NOT_MODIFIED => Ok(Answer::Unchanged),
            StatusCode::NOT_FOUND => Ok(Answer::None),
            status => Err(refusal(status, &body)),
        }
    }

    /// Waits for news since `seen`; `None` when there were none for a minute.
    pub(super) async fn news(&self, seen: i64) -> Result<Option<i64>, String> {
        let settings = &self.settings;
        let known = serde_json::json!([{
            "namespaceName": settings.namespace,
            "notificationId": seen,
        }]);
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("appId", &settings.app)
            .append_pair("cluster", &settings.cluster)
            .append_pair("notifications", &known.to_string())
            .append_pair("ip", &settings.ip)
            .append_pair("dataCenter", &settings.data_center)
            .finish();
        let (status, body) = self
            .get(&format!("/notifications/v2?{query}"), HELD)
            .await?;
        match status {
            StatusCode::OK => {
                let news: Vec<News> = serde_json::from_slice(&body).map_err(|error| {
                    format!("its notification is not of Apollo's form: {error}")
                })?;
                Ok(news.iter().map(|news| news.notification_id).max())
            }
            StatusCode::NOT_MODIFIED => Ok(None),
            status => Err(refusal(status, &body)),
        }
    }

    async fn get(&self, path: &str, patience: Duration) -> Result<(StatusCode, Bytes), String> {
        let path = self.remote.path(path);
        let mut request = Request::get(&path);
        if let Some(secret) = &self.settings.secret {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let timestamp = now.unwrap_or_default().as_millis().to_string();
            let signature = sign(secret, &timestamp, &path);
            let value = format!("Apollo {}:{signature}", self.settings.app);
            request = request
                .header(AUTHORIZATION, value)
                .header("Timestamp", timestamp);
        }
        let request = request.body(Full::default());
        let request = request.map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(patience, self.remote.call(request, MOST)).await;
        let answer = answer.map_err(|_late| format!("no answer within {patience:?}"))?;
        answer.map_err(|error| error.to_string())
    }
}

fn refusal(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let told: String = text.chars().take(200).collect();
    format!("{status}: {}", told.trim())
}

fn encoded(part: &str) -> String {
    percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string()
}
