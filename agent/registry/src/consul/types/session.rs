//! A session as the API takes and shows it.

use serde::{Deserialize, Serialize};
use state::sessions::{Behavior, Session};

use super::service::named;
use crate::consul::duration::GoDuration;

/// Body of `/v1/session/create`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct SessionRequest {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) lock_delay: Option<GoDuration>,
    #[serde(rename = "TTL")]
    pub(crate) ttl: GoDuration,
    pub(crate) behavior: String,
    pub(crate) checks: Option<Vec<String>>,
    pub(crate) node_checks: Option<Vec<String>>,
    pub(crate) service_checks: Vec<ServiceCheck>,
    pub(crate) namespace: String,
}

/// A check of an instance.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ServiceCheck {
    #[serde(rename = "ID")]
    pub(crate) id: String,
    pub(crate) namespace: String,
}

/// A session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SessionRow<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    node: &'a str,
    /// ns.
    lock_delay: i64,
    behavior: &'static str,
    #[serde(rename = "TTL")]
    ttl: String,
    node_checks: &'a [String],
    service_checks: Option<Vec<ServiceCheck>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    create_index: u64,
    modify_index: u64,
}

impl<'a> From<&'a Session> for SessionRow<'a> {
    fn from(session: &'a Session) -> Self {
        let checks = session.service_checks.iter().map(|id| ServiceCheck {
            id: id.clone(),
            namespace: String::new(),
        });
        Self {
            id: &session.id,
            name: &session.name,
            node: &session.node,
            lock_delay: GoDuration::from(session.lock_delay).nanos(),
            behavior: match session.behavior {
                Behavior::Release => "release",
                Behavior::Delete => "delete",
            },
            ttl: session
                .ttl
                .map_or_else(String::new, |ttl| GoDuration::from(ttl).to_string()),
            node_checks: &session.node_checks,
            service_checks: Some(checks.collect()).filter(|checks: &Vec<_>| !checks.is_empty()),
            namespace: named(&session.namespace),
            create_index: session.create_index.0,
            modify_index: session.modify_index.0,
        }
    }
}
