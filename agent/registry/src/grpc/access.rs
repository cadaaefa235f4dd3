//! Who calls, and what they may do.

use std::{sync::Arc, time::SystemTime};

use state::tokens::Rights;
use tonic::{Request, Status, metadata::MetadataMap};

use super::{Settings, error::unknown_token};
use crate::{Caller, Limiter, Registry, Wait, caller::Guest, model::Name};

/// Tells callers apart and keeps to their budgets.
#[derive(Clone)]
pub(super) struct Access {
    registry: Registry,
    anonymous: Arc<Rights>,
    limiter: Arc<Limiter>,
}

/// What a caller showed. A stream shows it again from time to time, since tokens end.
#[derive(Clone)]
pub(super) struct Credentials {
    guest: Guest,
    secret: Option<String>,
}

impl Credentials {
    /// Who it is, whatever they may do.
    pub(super) fn name(&self) -> &Name {
        &self.guest.name
    }
}

impl Access {
    pub(super) fn new(registry: Registry, settings: &Settings) -> Self {
        Self {
            registry,
            anonymous: Arc::clone(&settings.anonymous),
            limiter: Arc::clone(&settings.limiter),
        }
    }

    /// Takes a call from its caller's budget. Returns who calls.
    pub(super) fn admit<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        self.caller(&self.credentials(request)?)
    }

    pub(super) fn credentials<T>(&self, request: &Request<T>) -> Result<Credentials, Status> {
        let guest = request.extensions().get::<Guest>();
        let guest = guest.ok_or_else(|| Status::internal("a connection without an other end"))?;
        Ok(Credentials {
            guest: guest.clone(),
            secret: secret(request.metadata()),
        })
    }

    /// Who it is that showed this. Costs them one request.
    pub(super) fn caller(&self, shown: &Credentials) -> Result<Caller, Status> {
        // Where everybody may do everything, neither certificates nor tokens say anything.
        let is_open = *self.anonymous == Rights::all();
        let by_certificate = shown.guest.rights.as_ref().filter(|_| !is_open);
        let rights = Arc::clone(by_certificate.unwrap_or(&self.anonymous));
        let unnamed = Caller::new(Name::clone(&shown.guest.name), rights);
        let secret = match &shown.secret {
            Some(secret) if !is_open => secret,
            _ => {
                self.limiter.request(&unnamed)?;
                return Ok(unnamed);
            }
        };
        let store = self.registry.store();
        let Some(bearer) = store.authenticate(secret, SystemTime::now()) else {
            self.limiter.request(&unnamed)?;
            return Err(unknown_token());
        };
        let caller = Caller::new(unnamed.name, bearer.rights).with_token(bearer.accessor);
        self.limiter.request(&caller)?;
        Ok(caller)
    }

    /// Takes a place among those who wait.
    pub(super) fn wait(&self, caller: &Caller) -> Result<Wait, Status> {
        Ok(self.limiter.wait(caller)?)
    }
}

/// The token of `authorization: Bearer ...`, or of Consul's `x-consul-token`.
fn secret(metadata: &MetadataMap) -> Option<String> {
    let text = |key: &str| metadata.get(key)?.to_str().ok();
    let bearer = text("authorization").and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(secret.trim())
    });
    bearer.or_else(|| text("x-consul-token")).map(str::to_owned)
}
