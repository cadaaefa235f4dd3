//! Calls to etcd: one member at a time, each call with a time limit and past the breaker.

use std::{
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use thiserror::Error as ThisError;
use tokio::{sync::mpsc, time::timeout};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use super::{
    gate::Gate,
    proto::{self, auth_client, kv_client, lease_client, watch_client, watch_request},
    settings::{JoinError, User},
};
use crate::{RegistryError, degrade::Outcome};

/// Keys of one page.
const PAGE: i64 = 500;
/// Largest message that is taken: many times what etcd lets others write at once.
const LARGEST: usize = 64 * 1024 * 1024;

/// Why the back end could not be used.
#[derive(Debug, ThisError)]
pub(super) enum BackendError {
    #[error("cannot connect to etcd at {endpoint}: {reason}")]
    Connect { endpoint: String, reason: String },
    #[error("etcd at {endpoint} did not answer {call} in time")]
    TimedOut {
        endpoint: String,
        call: &'static str,
    },
    #[error("etcd at {endpoint} refused {call}: {reason}")]
    Refused {
        endpoint: String,
        call: &'static str,
        code: Code,
        reason: String,
    },
    #[error("the connection to etcd at {endpoint} broke in {call}: {reason}{hint}")]
    Broken {
        endpoint: String,
        call: &'static str,
        reason: String,
        hint: &'static str,
    },
    #[error("etcd at {endpoint} ended the watch: {reason}")]
    WatchEnded { endpoint: String, reason: String },
    #[error("etcd does not keep the changes since the last one that was seen any more")]
    Compacted,
    #[error("somebody else wrote the keys of this node")]
    ClaimLost,
    #[error("the settings for etcd cannot be used any more")]
    Settings(#[from] JoinError),
    #[error("the breaker does not let calls through")]
    BreakerOpen,
    #[error("the state of this registry cannot be used")]
    Registry(#[from] RegistryError),
    #[error("a record cannot be written")]
    Record(#[from] serde_json::Error),
}

impl BackendError {
    /// Whether etcd does not want us: then asking often changes nothing, and costs it a password's check.
    pub(super) fn is_denial(&self) -> bool {
        use Code::{InvalidArgument, PermissionDenied, Unauthenticated};
        let denials = [InvalidArgument, PermissionDenied, Unauthenticated];
        matches!(self, Self::Refused { code, .. } if denials.contains(code))
    }
}

/// A connection to one member.
#[derive(Debug)]
pub(super) struct Backend {
    channel: Channel,
    endpoint: String,
    token: Option<MetadataValue<Ascii>>,
    limit: Duration,
    gate: Gate,
    has_answered: AtomicBool,
}

/// A part of what is in a range.
pub(super) struct Page {
    /// Revision that it was read at, and the next is to be read at.
    pub(super) revision: i64,
    pub(super) kvs: Vec<proto::KeyValue>,
    /// What is left of the range.
    pub(super) next: Option<(Vec<u8>, Vec<u8>)>,
}

/// A watch: what comes, and where to ask for a sign of life.
pub(super) struct Watch {
    pub(super) responses: Streaming<proto::WatchResponse>,
    requests: mpsc::Sender<proto::WatchRequest>,
}

impl Watch {
    /// Asks for a sign of life. One that was not taken yet is enough.
    pub(super) fn ask_progress(&self) {
        let union = watch_request::RequestUnion::ProgressRequest(proto::WatchProgressRequest {});
        let request = proto::WatchRequest {
            request_union: Some(union),
        };
        drop(self.requests.try_send(request));
    }
}

impl Backend {
    pub(super) fn new(channel: Channel, endpoint: String, limit: Duration, gate: Gate) -> Self {
        Self {
            channel,
            endpoint,
            token: None,
            limit,
            gate,
            has_answered: AtomicBool::new(false),
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Shows etcd who we are; calls from here on are this user's.
    pub(super) async fn authenticate(&mut self, user: &User) -> Result<(), BackendError> {
        let request = proto::AuthenticateRequest {
            name: user.name.clone(),
            password: user.password()?,
        };
        let mut auth = auth_client::AuthClient::new(self.channel.clone());
        let answer = self
            .call("a user's password", async {
                auth.authenticate(request).await
            })
            .await?;
        self.token = answer.token.parse().ok();
        Ok(())
    }

    /// Reads one page of a range, at the newest revision when `revision` is 0.
    pub(super) async fn page(
        &self,
        (key, range_end): (Vec<u8>, Vec<u8>),
        revision: i64,
    ) -> Result<Page, BackendError> {
        let request = self.request(proto::RangeRequest {
            key,
            range_end: range_end.clone(),
            limit: PAGE,
            revision,
        });
        let mut kv =
            kv_client::KvClient::new(self.channel.clone()).max_decoding_message_size(LARGEST);
        let answer = self.call("a read", async { kv.range(request).await });
        let answer = answer.await?;
        let last = answer.kvs.last().filter(|_| answer.more);
        let next = last.map(|kv| ([kv.key.as_slice(), &[0]].concat(), range_end));
        Ok(Page {
            revision: match revision {
                0 => answer.header.map_or(0, |header| header.revision),
                revision => revision,
            },
            kvs: answer.kvs,
            next,
        })
    }

    /// Returns whether the conditions held, and the revision.
    pub(super) async fn transact(
        &self,
        transaction: proto::TxnRequest,
    ) -> Result<(bool, i64), BackendError> {
        let request = self.request(transaction);
        let mut kv = kv_client::KvClient::new(self.channel.clone());
        let answer = self.call("a write", async { kv.txn(request).await });
        let answer = answer.await?;
        Ok((
            answer.succeeded,
            answer.header.map_or(0, |header| header.revision),
        ))
    }

    pub(super) async fn grant(&self, ttl: Duration) -> Result<i64, BackendError> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let request = self.request(proto::LeaseGrantRequest {
            ttl: i64::try_from(seconds).unwrap_or(i64::MAX),
            id: 0,
        });
        let mut leases = lease_client::LeaseClient::new(self.channel.clone());
        let answer = self.call("a lease", async { leases.lease_grant(request).await });
        Ok(answer.await?.id)
    }

    pub(super) async fn revoke(&self, id: i64) -> Result<(), BackendError> {
        let request = self.request(proto::LeaseRevokeRequest { id });
        let mut leases = lease_client::LeaseClient::new(self.channel.clone());
        let answer = self.call("the end of a lease", async {
            match leases.lease_revoke(request).await {
                // It ended by itself.
                Err(status) if status.code() == Code::NotFound => {
                    Ok(Response::new(proto::LeaseRevokeResponse::default()))
                }
                answer => answer,
            }
        });
        answer.await.map(drop)
    }

    /// Renews leases. Returns those that are not there any more.
    pub(super) async fn renew(&self, ids: Vec<i64>) -> Result<Vec<i64>, BackendError> {
        let asked = ids
            .into_iter()
            .map(|id| proto::LeaseKeepAliveRequest { id });
        let request = self.request(stream::iter(asked));
        let mut leases = lease_client::LeaseClient::new(self.channel.clone());
        let answers = self.call("the renewal of leases", async {
            let answers = leases.lease_keep_alive(request).await?.into_inner();
            let answers: Vec<_> = answers.try_collect().await?;
            Ok(Response::new(answers))
        });
        let gone = answers.await?.into_iter().filter(|answer| answer.ttl <= 0);
        Ok(gone.map(|answer| answer.id).collect())
    }

    /// Follows a range from a revision on.
    pub(super) async fn watch(
        &self,
        (key, range_end): (Vec<u8>, Vec<u8>),
        start_revision: i64,
    ) -> Result<Watch, BackendError> {
        let union = watch_request::RequestUnion::CreateRequest(proto::WatchCreateRequest {
            key,
            range_end,
            start_revision,
            progress_notify: true,
        });
        let first = proto::WatchRequest {
            request_union: Some(union),
        };
        let (requests, taken) = mpsc::channel(1);
        let later = stream::unfold(taken, |mut taken| async {
            Some((taken.recv().await?, taken))
        });
        let mut request = self.request(stream::iter([first]).chain(later));
        // A member that has lost the others closes the watch instead of keeping silent.
        let metadata = request.metadata_mut();
        metadata.insert("hasleader", MetadataValue::from_static("true"));
        let mut watches =
            watch_client::WatchClient::new(self.channel.clone()).max_decoding_message_size(LARGEST);
        let answer = self.call("a watch", async { watches.watch(request).await });
        let responses = answer.await?;
        Ok(Watch {
            responses,
            requests,
        })
    }

    /// What a broken watch means.
    pub(super) fn watch_ended(&self, ended: Option<Status>) -> BackendError {
        self.gate.record(Outcome::Failure);
        let reason = ended.map_or_else(
            || "it closed the stream".to_owned(),
            |status| status.message().to_owned(),
        );
        let endpoint = self.endpoint.clone();
        BackendError::WatchEnded { endpoint, reason }
    }

    /// What a silent watch means.
    pub(super) fn watch_silent(&self) -> BackendError {
        self.gate.record(Outcome::TimedOut);
        BackendError::TimedOut {
            endpoint: self.endpoint.clone(),
            call: "a sign of life of the watch",
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("token", token.clone());
        }
        request
    }

    /// What etcd said, or why it could not say anything.
    fn failed(&self, call: &'static str, status: Status) -> BackendError {
        let endpoint = self.endpoint.clone();
        if is_compacted(&status) {
            return BackendError::Compacted;
        }
        if status.source().is_none() {
            return BackendError::Refused {
                endpoint,
                call,
                code: status.code(),
                reason: status.message().to_owned(),
            };
        }
        // With TLS 1.3 a client learns that its certificate is refused when it has connected.
        let may_be_refused =
            endpoint.starts_with("https") && !self.has_answered.load(Ordering::Relaxed);
        BackendError::Broken {
            endpoint,
            call,
            reason: innermost(&status),
            hint: match may_be_refused {
                true => " (it may not take this node's certificate, or want one)",
                false => "",
            },
        }
    }

    async fn call<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, BackendError> {
        if !self.gate.allow() {
            return Err(BackendError::BreakerOpen);
        }
        let endpoint = || self.endpoint.clone();
        match timeout(self.limit, work).await {
            Ok(Ok(answer)) => {
                self.gate.record(Outcome::Success);
                self.has_answered.store(true, Ordering::Relaxed);
                Ok(answer.into_inner())
            }
            Ok(Err(status)) => {
                self.gate.record(Outcome::Failure);
                Err(self.failed(call, status))
            }
            Err(_elapsed) => {
                self.gate.record(Outcome::TimedOut);
                Err(BackendError::TimedOut {
                    endpoint: endpoint(),
                    call,
                })
            }
        }
    }
}

/// The cause that the others repeat.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// etcd has no code of its own for this.
fn is_compacted(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().contains("compacted")
}
