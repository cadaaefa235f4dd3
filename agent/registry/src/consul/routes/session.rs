//! `/v1/session`: who holds locks.

use std::time::{Duration, Instant};

use serde::Serialize;
use state::{
    sessions::{self, Behavior, Session, SessionError},
    tokens::Right,
};

use super::{elsewhere, kv::fault};
use crate::{
    WatchKey,
    consul::{
        duration::GoDuration,
        error::{ApiError, chain},
        http::{Answer, Call, Head, namespace_or},
        server::Server,
        settings::SERF_CHECK,
        types::session::{SessionRequest, SessionRow},
    },
    model::{CheckKey, Name, NodeEntry, Status},
};

/// How long locks stay closed after a session was ended from outside, unless it says otherwise.
const DEFAULT_LOCK_DELAY: Duration = Duration::from_secs(15);
/// Old clients give the lock delay as a number of seconds; smaller numbers than this are such.
const SECONDS_BELOW: i64 = 1000;

pub(super) async fn read(server: &Server, head: &Head, rest: &str) -> Result<Answer, ApiError> {
    match super::split(rest) {
        ("info", "") => Err(ApiError::bad_request("Missing session")),
        ("info", id) => some(server, head, |session| session.id == id).await,
        ("node", "") => Err(ApiError::bad_request("Missing node name")),
        ("node", node) => some(server, head, |session| session.node == node).await,
        ("list", "") => some(server, head, |_| true).await,
        _ => Ok(elsewhere(head)),
    }
}

/// The sessions of the namespace that are wanted.
async fn some(
    server: &Server,
    head: &Head,
    is_wanted: impl Fn(&Session) -> bool,
) -> Result<Answer, ApiError> {
    server.wait(&WatchKey::Sessions, &head.options).await?;
    let registry = server.registry();
    let index = registry.index(&WatchKey::Sessions)?;
    let namespace = head.namespace();
    let sessions = sessions::list(&registry.store().read().map_err(fault)?).map_err(fault)?;
    let rows: Vec<SessionRow<'_>> = sessions
        .iter()
        .filter(|session| *session.namespace == *namespace && is_wanted(session))
        .map(SessionRow::from)
        .collect();
    Ok(Answer::render(&rows, &head.options)?.at(index, &head.options))
}

pub(super) async fn write(server: &Server, call: Call, rest: &str) -> Result<Answer, ApiError> {
    match super::split(rest) {
        ("create", "") => create(server, call).await,
        ("destroy" | "renew", "") => Err(ApiError::bad_request("Missing session")),
        ("destroy", id) => destroy(server, call, id).await,
        ("renew", id) => renew(server, call, id).await,
        _ => Ok(elsewhere(&call.head)),
    }
}

async fn create(server: &Server, call: Call) -> Result<Answer, ApiError> {
    #[derive(Serialize)]
    struct Created {
        #[serde(rename = "ID")]
        id: String,
    }
    let (head, caller, request) = call.json::<SessionRequest>().await?;
    let namespace = namespace_or(&head.options, &request.namespace);
    caller.require(Right::Write, &namespace)?;
    let session = session(server, &namespace, request)?;
    let created = server
        .registry()
        .store()
        .write(move |tx| sessions::create(tx, session))
        .await
        .map_err(refused)?;
    let id = created.value.id;
    Answer::render(&Created { id }, &head.options)
}

/// The session that is asked for, with Consul's defaults.
fn session(
    server: &Server,
    namespace: &Name,
    request: SessionRequest,
) -> Result<Session, ApiError> {
    let node: Name = match request.node.as_str() {
        "" => Name::clone(server.node()),
        given => given.into(),
    };
    let entry = server
        .registry()
        .node(&node)
        .ok_or_else(|| ApiError::bad_request("Missing node registration"))?;
    let node_checks = node_checks(&entry, request.node_checks.or(request.checks))?;
    let service_checks: Vec<String> = request
        .service_checks
        .into_iter()
        .map(|check| check.id)
        .collect();
    for id in &service_checks {
        let key = CheckKey {
            namespace: Name::clone(namespace),
            node: Name::clone(&node),
            id: id.as_str().into(),
        };
        let status = server.registry().check(&key).map(|(check, _)| check.status);
        check_usable(id, status)?;
    }
    Ok(Session {
        name: request.name,
        namespace: namespace.to_string(),
        node: node.to_string(),
        node_checks,
        service_checks,
        lock_delay: request.lock_delay.map_or(DEFAULT_LOCK_DELAY, lock_delay),
        behavior: match request.behavior.as_str() {
            "" | "release" => Behavior::Release,
            "delete" => Behavior::Delete,
            other => {
                return Err(ApiError::bad_request(format!(
                    "Invalid Behavior setting {other:?}"
                )));
            }
        },
        ttl: Some(request.ttl.to_std()).filter(|ttl| !ttl.is_zero()),
        ..Session::default()
    })
}

fn lock_delay(given: GoDuration) -> Duration {
    match given.nanos() {
        seconds @ 1..SECONDS_BELOW => Duration::from_secs(seconds.unsigned_abs()),
        _ => given.to_std(),
    }
}

/// The node's checks that a session hangs on: those it names, else that the node is alive.
fn node_checks(entry: &NodeEntry, given: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    let find = |id: &str| entry.checks.iter().find(|check| *check.spec.id == *id);
    let Some(given) = given else {
        return Ok(find(SERF_CHECK)
            .map(|_| SERF_CHECK.to_owned())
            .into_iter()
            .collect());
    };
    for id in &given {
        check_usable(id, find(id).map(|check| check.status))?;
    }
    Ok(given)
}

fn check_usable(id: &str, status: Option<Status>) -> Result<(), ApiError> {
    match status {
        None => Err(ApiError::bad_request(format!(
            "Missing check '{id}' registration"
        ))),
        Some(Status::Critical) => Err(ApiError::bad_request(format!(
            "Check '{id}' is in critical state"
        ))),
        Some(_) => Ok(()),
    }
}

async fn destroy(server: &Server, call: Call, id: &str) -> Result<Answer, ApiError> {
    require(server, &call, id)?;
    let id = id.to_owned();
    let destroyed = server
        .registry()
        .store()
        .write(move |tx| sessions::destroy(tx, &id).map_err(SessionError::from));
    destroyed.await.map_err(refused)?;
    Ok(Answer::json("true"))
}

async fn renew(server: &Server, call: Call, id: &str) -> Result<Answer, ApiError> {
    let Some(session) = require(server, &call, id)? else {
        return Err(ApiError::not_found(format!("Session id '{id}' not found")));
    };
    server.registry().store().renew_session(id, Instant::now());
    Answer::render(&[SessionRow::from(&session)], &call.head.options)
}

/// The session, if it exists and the caller may change it.
fn require(server: &Server, call: &Call, id: &str) -> Result<Option<Session>, ApiError> {
    let reader = server.registry().store().read().map_err(fault)?;
    let session = sessions::get(&reader, id).map_err(fault)?;
    if let Some(session) = &session {
        call.caller.require(Right::Write, &session.namespace)?;
    }
    Ok(session)
}

fn refused(error: SessionError) -> ApiError {
    match error {
        SessionError::State(error) => ApiError::internal(chain(&error)),
        SessionError::Ttl(ttl) => ApiError::bad_request(format!(
            "Invalid Session TTL '{}', must be between [10s=24h0m0s]",
            ttl.as_nanos()
        )),
        error => ApiError::bad_request(chain(&error)),
    }
}
