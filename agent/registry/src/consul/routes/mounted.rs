//! `/v1/kv` below a folder that somebody else keeps.

use std::time::Instant;

use http::{Method, StatusCode};
use listen::ending;
use state::kv;

use super::kv::{HARMLESS, PLAIN, separator};
use crate::{
    Caller, Revision,
    consul::{
        error::ApiError,
        http::{Answer, Head},
        mount::{KeyMount, Keys},
        server::{Server, random},
        types::kv::KvRow,
    },
    model::DEFAULT_NAMESPACE,
};

pub(super) async fn read(
    server: &Server,
    mount: &dyn KeyMount,
    head: &Head,
    caller: &Caller,
    key: &str,
) -> Result<Answer, ApiError> {
    let query = head.query();
    let keys = match query.has("keys") || query.has("recurse") {
        true => Keys::Below(key),
        false => Keys::One(key),
    };
    wait(server, mount, head, keys).await;
    // Before the look at the keys: what comes in between is news for this index.
    let index = mount.index(keys);
    let entries = mount.entries(caller, keys).map_err(ApiError::denied)?;
    let answer = match entries.first() {
        None => Answer::done().with_status(StatusCode::NOT_FOUND),
        Some(_) if query.has("keys") => {
            let separator = separator(&query);
            let names = entries
                .iter()
                .map(|entry| kv::folder(&entry.key, key, separator));
            let mut names: Vec<_> = names.collect();
            names.dedup();
            Answer::render(&names, &head.options)?
        }
        Some(entry) if query.has("raw") && keys == Keys::One(key) => {
            let mut answer = Answer::of(StatusCode::OK, PLAIN, entry.value.clone());
            answer.headers.extend(HARMLESS);
            answer
        }
        Some(_) => {
            let rows = entries
                .iter()
                .map(|entry| KvRow::new(DEFAULT_NAMESPACE, entry));
            Answer::render(&rows.collect::<Vec<_>>(), &head.options)?
        }
    };
    Ok(answer.at(index, &head.options))
}

/// Waits for news if the request wants to, no longer than the server lives.
async fn wait(server: &Server, mount: &dyn KeyMount, head: &Head, keys: Keys<'_>) {
    let options = &head.options;
    if options.index == 0 {
        return;
    }
    let deadline = Instant::now() + options.wait_with_jitter(random());
    let mut ends = server.ends();
    tokio::select! {
        () = mount.wait(keys, Revision(options.index), deadline) => {}
        () = ending(&mut ends) => {}
    }
}

/// What those are told who want to write there, or to have it in a transaction.
pub(super) fn not_here(mount: &dyn KeyMount, method: &Method, key: &str) -> ApiError {
    let folder = mount.folder();
    ApiError::denied(format!(
        "{method} {key:?}: keys in {folder:?} are shown here and kept elsewhere; they can only be read, and by /v1/kv"
    ))
}
