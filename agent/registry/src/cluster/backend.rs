//! Calls to etcd: one member at a time, each call with a time limit and past the breaker.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use thiserror::Error;
use tokio::{sync::mpsc, time::timeout};
use tonic::{
    Code, Request, Response, Status, Streaming,
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

use super::{
    proto::{self, auth_client, kv_client, lease_client, watch_client, watch_request},
    settings::{JoinError, Settings, TlsFiles, User},
};
use crate::{
    RegistryError,
    degrade::{Breaker, Outcome, Shared},
};

/// Keys of one page.
const PAGE: i64 = 500;
/// Largest message that is taken: many times what etcd lets others write at once.
const LARGEST: usize = 64 * 1024 * 1024;
/// A connection on which nothing comes is asked for a sign of life this often.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Why the back end could not be used.
#[derive(Debug, Error)]
pub(super) enum BackendError {
    #[error("cannot connect to etcd at {endpoint}")]
    Connect {
        endpoint: String,
        source: tonic::transport::Error,
    },
    #[error("etcd at {endpoint} did not answer {call} in time")]
    TimedOut {
        endpoint: String,
        call: &'static str,
    },
    #[error("etcd at {endpoint} refused {call}: {}", source.message())]
    Refused {
        endpoint: String,
        call: &'static str,
        source: Box<Status>,
    },
    #[error("etcd at {endpoint} ended the watch: {reason}")]
    WatchEnded { endpoint: String, reason: String },
    #[error("etcd does not keep the changes since the last one that was seen any more")]
    Compacted,
    #[error("somebody else wrote the keys of this node")]
    ClaimLost,
    #[error("the breaker does not let calls through")]
    BreakerOpen,
    #[error("the state of this registry cannot be used")]
    Registry(#[from] RegistryError),
    #[error("a record cannot be written")]
    Record(#[from] serde_json::Error),
}

/// The breaker, and where it is shown.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    breaker: Arc<Mutex<Breaker>>,
    shared: Arc<Shared>,
}

impl Gate {
    pub(super) fn new(breaker: Breaker, shared: Arc<Shared>) -> Self {
        let breaker = Arc::new(Mutex::new(breaker));
        Self { breaker, shared }
    }

    pub(super) fn allow(&self) -> bool {
        let mut breaker = self.breaker();
        let allowed = breaker.allow(Instant::now());
        self.show(&breaker);
        allowed
    }

    pub(super) fn half_open(&self) {
        let mut breaker = self.breaker();
        breaker.half_open();
        self.show(&breaker);
    }

    fn record(&self, outcome: Outcome) {
        let now = Instant::now();
        if outcome == Outcome::Success {
            self.shared.contact(now);
        }
        let mut breaker = self.breaker();
        breaker.record(outcome, now);
        self.show(&breaker);
    }

    fn show(&self, breaker: &Breaker) {
        self.shared.update(|status| {
            status.breaker = breaker.state();
            status.breaker_opened = breaker.opened();
        });
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The members of the etcd cluster that can be tried.
#[derive(Debug)]
pub(super) struct Endpoints {
    endpoints: Vec<(String, Endpoint)>,
    next: usize,
    user: Option<User>,
    limit: Duration,
}

impl Endpoints {
    pub(super) fn new(settings: &Settings) -> Result<Self, JoinError> {
        let tls = tls(&settings.tls)?;
        let limit = settings.call_timeout;
        let made = settings.endpoints.iter().map(|given| {
            let wrong = || JoinError::Endpoint {
                endpoint: given.clone(),
            };
            let uri: http::Uri = given.parse().map_err(|_error| wrong())?;
            let is_tls = match (uri.scheme_str(), uri.port()) {
                (Some("http"), Some(_)) => false,
                (Some("https"), Some(_)) => true,
                _ => return Err(wrong()),
            };
            let endpoint = Endpoint::from(uri)
                .connect_timeout(limit)
                .http2_keep_alive_interval(PING_EVERY)
                .keep_alive_timeout(limit)
                .keep_alive_while_idle(true);
            let endpoint = match is_tls {
                true => endpoint.tls_config(tls.clone()).map_err(JoinError::Tls)?,
                false => endpoint,
            };
            Ok((given.clone(), endpoint))
        });
        Ok(Self {
            endpoints: made.collect::<Result<_, _>>()?,
            next: 0,
            user: settings.user.clone(),
            limit,
        })
    }

    /// Connects to the next member, and shows it who we are.
    pub(super) async fn connect(&mut self, gate: &Gate) -> Result<Backend, BackendError> {
        let at = self.next % self.endpoints.len().max(1);
        self.next = at + 1;
        let Some((name, endpoint)) = self.endpoints.get(at) else {
            return Err(BackendError::BreakerOpen);
        };
        let mut backend = Backend {
            channel: connect(name, endpoint, self.limit, gate).await?,
            endpoint: name.clone(),
            token: None,
            limit: self.limit,
            gate: gate.clone(),
        };
        if let Some(user) = &self.user {
            backend.authenticate(user).await?;
        }
        Ok(backend)
    }

    /// Whether the next member answers at all; asked while the breaker is open.
    pub(super) async fn probe(&mut self) -> bool {
        let at = self.next % self.endpoints.len().max(1);
        self.next = at + 1;
        let Some((_, endpoint)) = self.endpoints.get(at) else {
            return false;
        };
        let asked = async {
            let channel = endpoint.connect().await.ok()?;
            let nothing = proto::LeaseTimeToLiveRequest::default();
            let mut leases = lease_client::LeaseClient::new(channel);
            match leases.lease_time_to_live(nothing).await {
                Ok(_) => Some(()),
                // It answers, if only that it wants to know who asks.
                Err(status) if is_answer(&status) => Some(()),
                Err(_) => None,
            }
        };
        matches!(timeout(self.limit, asked).await, Ok(Some(())))
    }
}

fn is_answer(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument | Code::NotFound
    )
}

async fn connect(
    name: &str,
    endpoint: &Endpoint,
    limit: Duration,
    gate: &Gate,
) -> Result<Channel, BackendError> {
    if !gate.allow() {
        return Err(BackendError::BreakerOpen);
    }
    let name = name.to_owned();
    match timeout(limit, endpoint.connect()).await {
        Ok(Ok(channel)) => {
            gate.record(Outcome::Success);
            Ok(channel)
        }
        Ok(Err(source)) => {
            gate.record(Outcome::Failure);
            Err(BackendError::Connect {
                endpoint: name,
                source,
            })
        }
        Err(_elapsed) => {
            gate.record(Outcome::TimedOut);
            Err(BackendError::TimedOut {
                endpoint: name,
                call: "a connection",
            })
        }
    }
}

fn tls(files: &TlsFiles) -> Result<ClientTlsConfig, JoinError> {
    let read = |file: &std::path::Path| {
        std::fs::read(file).map_err(|source| JoinError::File {
            file: file.to_owned(),
            source,
        })
    };
    let mut tls = match &files.authority {
        Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(file)?)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    if let Some((certificate, key)) = &files.identity {
        tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(tls)
}

/// A connection to one member.
#[derive(Debug)]
pub(super) struct Backend {
    channel: Channel,
    endpoint: String,
    token: Option<MetadataValue<Ascii>>,
    limit: Duration,
    gate: Gate,
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
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    async fn authenticate(&mut self, user: &User) -> Result<(), BackendError> {
        let request = proto::AuthenticateRequest {
            name: user.name.clone(),
            password: user.password.clone(),
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
                Ok(answer.into_inner())
            }
            Ok(Err(status)) => {
                self.gate.record(Outcome::Failure);
                Err(match is_compacted(&status) {
                    true => BackendError::Compacted,
                    false => BackendError::Refused {
                        endpoint: endpoint(),
                        call,
                        source: Box::new(status),
                    },
                })
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

/// etcd has no code of its own for this.
fn is_compacted(status: &Status) -> bool {
    status.code() == Code::OutOfRange && status.message().contains("compacted")
}
