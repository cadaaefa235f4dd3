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

use http::Method;
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
        "txn" => Ok(Answer::method_not_allowed(&head.method, allowed(area))),
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
        // The mesh is not ours, whatever is done to it.
        (_, "agent") if rest.starts_with("connect/") => Ok(elsewhere(&call.head)),
        (&Method::OPTIONS, area) if is_known(area) => Ok(Answer::options(allowed(area))),
        (&Method::PUT, "agent") => agent::write(server, call, rest).await,
        (&Method::PUT, "catalog") => catalog_write::write(server, call, rest).await,
        (&Method::PUT | &Method::DELETE, "kv") => kv::write(server, call, rest).await,
        (&Method::PUT, "session") => session::write(server, call, rest).await,
        (&Method::PUT, "txn") => txn::write(server, call).await,
        (&Method::PUT, "snapshot") => snapshot::restore(server, call).await,
        (method, area) if is_known(area) => Ok(Answer::method_not_allowed(method, allowed(area))),
        _ => Ok(elsewhere(&call.head)),
    }
}

/// First parts of the paths that are answered.
const AREAS: [&str; 8] = [
    "health", "status", "agent", "catalog", "kv", "session", "txn", "snapshot",
];

fn is_known(area: &str) -> bool {
    AREAS.contains(&area)
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

/// 501 for what golens has no use for, be it part of Consul's API or of nobody's.
fn elsewhere(head: &Head) -> Answer {
    Answer::not_implemented(&format!("/v1/{}", head.path))
}
