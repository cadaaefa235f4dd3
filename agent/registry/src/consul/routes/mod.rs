//! Which endpoint answers which path.

mod agent;
mod catalog;
mod catalog_write;
mod fallback;
mod health;
mod kv;
mod mounted;
mod session;
mod snapshot;
mod status;
mod tokens;
mod txn;

use http::{Method, StatusCode};
use state::tokens::Right;

use super::{
    error::ApiError,
    http::{Answer, Call, Head},
    server::Server,
};
use crate::{Caller, model::ServiceKey};

/// Answers a GET.
pub(super) async fn read(server: &Server, head: Head, caller: Caller) -> Result<Answer, ApiError> {
    let (area, rest) = split(&head.path);
    if area == "status" {
        return status::read(server, &head, rest);
    }
    if (area, rest) == ("golens", "tokens") {
        return tokens::read(server, &head, &caller);
    }
    caller.require(Right::Read, &head.namespace())?;
    match area {
        "health" => trusted(
            server,
            &head,
            rest,
            health::read(server, &head, rest, &caller).await?,
        ),
        "catalog" => trusted(
            server,
            &head,
            rest,
            catalog::read(server, &head, rest, &caller).await?,
        ),
        "agent" => agent::read(server, &head, rest).await,
        "kv" => kv::read(server, &head, &caller, rest).await,
        "session" => session::read(server, &head, rest).await,
        "snapshot" => snapshot::save(server, &head, &caller).await,
        _ => Ok(elsewhere(&head)),
    }
}

/// An answer about all nodes says how far it is to be trusted.
fn trusted(server: &Server, head: &Head, rest: &str, answer: Answer) -> Result<Answer, ApiError> {
    let service = match split(rest) {
        ("service" | "checks", name) => Some(ServiceKey::new(head.namespace(), name)),
        _ => None,
    };
    Ok(answer.trusted(server.registry().trust(service.as_ref())))
}

/// Answers everything that is not a GET. Rights are checked where the namespace is known.
pub(super) async fn write(server: &Server, call: Call) -> Result<Answer, ApiError> {
    let path = call.head.path.clone();
    let (area, rest) = split(&path);
    if area == "golens" {
        return tokens::write(server, call, rest).await;
    }
    match (&call.head.method, area) {
        (&Method::PUT, "agent") => agent::write(server, call, rest).await,
        (&Method::PUT, "catalog") => catalog_write::write(server, call, rest).await,
        (&Method::PUT | &Method::DELETE, "kv") => kv::write(server, call, rest).await,
        (&Method::PUT, "session") => session::write(server, call, rest).await,
        (&Method::PUT, "txn") => txn::write(server, call).await,
        (&Method::PUT, "snapshot") => snapshot::restore(server, call).await,
        (
            method,
            "health" | "status" | "agent" | "catalog" | "kv" | "session" | "txn" | "snapshot",
        ) => Ok(Answer::method_not_allowed(method, allowed(area))),
        _ => Ok(elsewhere(&call.head)),
    }
}

fn allowed(area: &str) -> &'static str {
    match area {
        "health" | "status" => "GET",
        "kv" => "GET,PUT,DELETE",
        "txn" => "PUT",
        _ => "GET,PUT",
    }
}

/// First part of a path and what follows its slash.
fn split(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or((path, ""))
}

/// Parts of Consul's API that golens has no use for.
const ELSEWHERE: [&str; 16] = [
    "acl",
    "agent",
    "catalog",
    "config",
    "connect",
    "coordinate",
    "discovery-chain",
    "event",
    "exported-services",
    "health",
    "imported-services",
    "internal",
    "operator",
    "peering",
    "peerings",
    "query",
];

/// 501 for what Consul has and golens has not, 404 for what neither has.
fn elsewhere(head: &Head) -> Answer {
    let (area, _) = split(&head.path);
    if ELSEWHERE.contains(&area) {
        return Answer::text(
            StatusCode::NOT_IMPLEMENTED,
            format!("/v1/{} is not part of golens' Consul API", head.path),
        );
    }
    Answer::text(StatusCode::NOT_FOUND, "404 page not found\n")
}
