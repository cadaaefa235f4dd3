//! `/v1/snapshot`: the whole state as one file.

use std::io::Cursor;

use http::{HeaderValue, StatusCode};
use state::{snapshot::SnapshotError, tokens::Right};

use crate::{
    Caller,
    consul::{
        error::{ApiError, chain},
        http::{Answer, Call, Head, read_body},
        server::Server,
    },
};

/// Bytes of the largest snapshot that is taken back.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// Snapshots hold all namespaces.
const EVERYWHERE: &str = "*";

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(super) async fn save(
    server: &Server,
    head: &Head,
    caller: &Caller,
) -> Result<Answer, ApiError> {
    caller.require(Right::Admin, EVERYWHERE)?;
    let registry = server.registry().clone();
    let written = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let summary = registry.store().snapshot(&mut bytes)?;
        Ok::<_, SnapshotError>((bytes, summary))
    });
    let (bytes, _summary) = written
        .await
        .map_err(|error| ApiError::internal(format!("cannot write a snapshot: {error}")))?
        .map_err(|error| ApiError::internal(chain(&error)))?;
    let index = server.registry().revision();
    Ok(Answer::of(StatusCode::OK, OCTETS, bytes).at(index, &head.options))
}

pub(super) async fn restore(server: &Server, call: Call) -> Result<Answer, ApiError> {
    let (_head, caller, body) = call.into_parts();
    caller.require(Right::Admin, EVERYWHERE)?;
    let snapshot = Cursor::new(read_body(body, MOST_BYTES).await?);
    server.registry().restore(snapshot, &caller).await?;
    Ok(Answer::done())
}
