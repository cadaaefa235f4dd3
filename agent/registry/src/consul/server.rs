//! The server: who calls, what is asked, how long to wait.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use listen::{Origin, Shutdown, ending, http1::Handler};
use state::tokens::Rights;

use super::{
    error::ApiError,
    http::{Answer, Call, Head},
    mount::KeyMount,
    options::Options,
    routes,
    settings::Settings,
};
use crate::{
    Caller, CallerIdentity, Limiter, Limits, Registry, Revision, WatchKey,
    caller::{Door, Guest},
    model::{DEFAULT_NAMESPACE, Name},
};

/// Consul's API in front of a registry.
pub struct Server {
    registry: Registry,
    settings: Settings,
    door: Door,
    limiter: Arc<Limiter>,
    ends: Shutdown,
}

impl Server {
    /// A server; `ends` answers held requests at once when it turns true.
    #[must_use]
    pub fn new(
        registry: Registry,
        settings: Settings,
        identity: Arc<dyn CallerIdentity>,
        ends: Shutdown,
    ) -> Self {
        let certificates = Arc::clone(&settings.certificates);
        Self {
            registry,
            settings,
            door: Door {
                identity,
                certificates,
            },
            limiter: Arc::new(Limiter::new(Limits::default())),
            ends,
        }
    }

    /// The same server with budgets that it shares with others.
    #[must_use]
    pub fn limited_by(self, limiter: Arc<Limiter>) -> Self {
        Self { limiter, ..self }
    }

    /// What is asked.
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What the server says of itself.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Who keeps a key, if it is somebody else.
    pub(super) fn mount(&self, namespace: &str, key: &str) -> Option<&dyn KeyMount> {
        let mount = self.settings.mount.as_deref()?;
        let is_theirs = namespace == DEFAULT_NAMESPACE && key.starts_with(mount.folder());
        is_theirs.then_some(mount)
    }

    /// Turns true when held requests are to be answered.
    pub(super) fn ends(&self) -> Shutdown {
        self.ends.clone()
    }

    /// The node of this agent.
    pub(super) fn node(&self) -> &Name {
        self.registry.node_name()
    }

    /// Waits, if the request wants to, until the index of `key` exceeds the request's.
    pub(super) async fn wait(&self, key: &WatchKey, options: &Options) -> Result<(), ApiError> {
        if options.index == 0 {
            return Ok(());
        }
        let deadline = Instant::now() + options.wait_with_jitter(random());
        self.wait_until(key, Revision(options.index), deadline)
            .await
    }

    /// The same for two keys, either of which is news.
    pub(super) async fn wait_any(
        &self,
        [first, second]: &[WatchKey; 2],
        options: &Options,
    ) -> Result<(), ApiError> {
        tokio::select! {
            woken = self.wait(first, options) => woken,
            woken = self.wait(second, options) => woken,
        }
    }

    /// Waits until the index of `key` exceeds `seen`, until `deadline`, or until the server ends.
    pub(super) async fn wait_until(
        &self,
        key: &WatchKey,
        seen: Revision,
        deadline: Instant,
    ) -> Result<(), ApiError> {
        let mut ends = self.ends.clone();
        tokio::select! {
            woken = self.registry.watch(key, seen, deadline) => {
                woken.map(drop).map_err(ApiError::from)
            }
            () = ending(&mut ends) => Ok(()),
        }
    }

    async fn answer(
        &self,
        parts: Parts,
        body: Incoming,
        guest: &Guest,
    ) -> Result<Answer, ApiError> {
        let Some(head) = Head::parse(&parts)? else {
            return Ok(Answer::not_implemented(parts.uri.path()));
        };
        drop(parts);
        self.check_datacenter(&head.options)?;
        let caller = self.caller(&head.options, guest)?;
        self.limiter.request(&caller)?;
        let _place = head
            .options
            .may_wait()
            .then(|| self.limiter.wait(&caller))
            .transpose()?;
        if head.method == Method::GET || head.method == Method::HEAD {
            drop(body);
            return routes::read(self, head, caller).await;
        }
        routes::write(self, Call::new(head, caller, body)).await
    }

    /// Whether held requests are to be answered now.
    pub(super) fn is_ending(&self) -> bool {
        *self.ends.borrow()
    }

    /// Who calls, with the rights of the token they show.
    fn caller(&self, options: &Options, guest: &Guest) -> Result<Caller, ApiError> {
        let name = Name::clone(&guest.name);
        let anonymous = &self.settings.anonymous;
        let secret = match &options.token {
            // Where everybody may do everything, tokens say nothing.
            _ if **anonymous == Rights::all() => {
                return Ok(Caller::new(name, Arc::clone(anonymous)));
            }
            Some(secret) => secret,
            None => {
                let rights = guest.rights.as_ref().unwrap_or(anonymous);
                return Ok(Caller::new(name, Arc::clone(rights)));
            }
        };
        let bearer = self
            .registry
            .store()
            .authenticate(secret, SystemTime::now());
        match bearer {
            Some(bearer) => Ok(Caller::new(name, bearer.rights).with_token(bearer.accessor)),
            None => {
                self.limiter
                    .request(&Caller::new(name, Arc::new(Rights::none())))?;
                Err(ApiError::denied("ACL not found"))
            }
        }
    }

    async fn note_denial(&self, caller: &Name, method: &Method, path: &str) {
        let action = method.as_str();
        if let Err(error) = self.registry.note_denial(caller, action, path).await {
            tracing::error!(%error, %caller, action, path, "a denial was not noted");
        }
    }

    /// What callers without a token get.
    fn policy(&self) -> &'static str {
        match *self.settings.anonymous == Rights::all() {
            true => "allow",
            false => "deny",
        }
    }

    fn check_datacenter(&self, options: &Options) -> Result<(), ApiError> {
        match &options.datacenter {
            Some(datacenter) if *datacenter != self.settings.datacenter => {
                Err(ApiError::internal("No path to datacenter"))
            }
            _ => Ok(()),
        }
    }
}

/// A server as connections see it.
pub(super) struct Served(pub(super) Server);

impl Handler for Served {
    type Guest = Guest;

    async fn meet(&self, origin: Origin) -> Guest {
        self.0.door.meet(&origin).await
    }

    async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        guest: Guest,
    ) -> Response<Full<Bytes>> {
        let Self(server) = &*self;
        let (parts, body) = request.into_parts();
        // Where everybody may do everything, nobody is refused.
        let asked = (*server.settings.anonymous != Rights::all())
            .then(|| (parts.method.clone(), parts.uri.path().to_owned()));
        let answer = server.answer(parts, body, &guest).await;
        let answer = answer.unwrap_or_else(Answer::from);
        if answer.status == StatusCode::FORBIDDEN
            && let Some((method, path)) = asked
        {
            server.note_denial(&guest.name, &method, &path).await;
        }
        answer.with_policy(server.policy()).into_response()
    }
}

/// Any number, equally likely over its range: the standard library's keys are random.
pub(in crate::consul) fn random() -> u32 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 32) as u32
}
