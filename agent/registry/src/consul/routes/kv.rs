//! `/v1/kv`: keys and values.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS},
};
use state::{
    Reader,
    kv::{self, Condition, KvError, LONGEST_VALUE},
    tokens::Right,
};

use super::mounted;
use crate::{
    Caller, Revision, WatchKey,
    consul::{
        error::{ApiError, chain},
        http::{Answer, Call, Head, read_body},
        query::Query,
        server::Server,
        types::kv::KvRow,
    },
    model::Name,
};

pub(super) const PLAIN: HeaderValue = HeaderValue::from_static("text/plain");
/// What a browser must not do with somebody's value: guess its type, or run it.
pub(super) const HARMLESS: [(HeaderName, HeaderValue); 2] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox")),
];

pub(super) async fn read(
    server: &Server,
    head: &Head,
    caller: &Caller,
    key: &str,
) -> Result<Answer, ApiError> {
    let query = head.query();
    let namespace = head.namespace();
    if let Some(mount) = server.mount(&namespace, key) {
        return mounted::read(server, mount, head, caller, key).await;
    }
    if query.has("keys") {
        return names(server, head, namespace, key).await;
    }
    if query.has("recurse") {
        return list(server, head, namespace, key).await;
    }
    if key.is_empty() {
        return Err(ApiError::bad_request("Missing key name"));
    }
    let reader = news(
        server,
        head,
        WatchKey::Key(Name::clone(&namespace), key.to_owned()),
    )
    .await?;
    let index = kv::index(&reader, &namespace, key).map_err(fault)?;
    let entry = kv::get(&reader, &namespace, key).map_err(fault)?;
    let answer = match entry {
        None => Answer::done().with_status(StatusCode::NOT_FOUND),
        Some(entry) if query.has("raw") => {
            let mut answer = Answer::of(StatusCode::OK, PLAIN, entry.value);
            answer.headers.extend(HARMLESS);
            answer
        }
        Some(entry) => Answer::render(&[KvRow::new(&namespace, &entry)], &head.options)?,
    };
    Ok(answer.at(index, &head.options))
}

/// Waits for news and takes one consistent look at the state.
async fn news(server: &Server, head: &Head, key: WatchKey) -> Result<Reader, ApiError> {
    server.wait(&key, &head.options).await?;
    server.registry().store().read().map_err(fault)
}

async fn list(
    server: &Server,
    head: &Head,
    namespace: Name,
    prefix: &str,
) -> Result<Answer, ApiError> {
    let key = WatchKey::KeyPrefix(Name::clone(&namespace), prefix.to_owned());
    let reader = news(server, head, key).await?;
    let index = kv::prefix_index(&reader, &namespace, prefix).map_err(fault)?;
    let entries = kv::list(&reader, &namespace, prefix).map_err(fault)?;
    let answer = if entries.is_empty() {
        Answer::done().with_status(StatusCode::NOT_FOUND)
    } else {
        let rows: Vec<KvRow<'_>> = entries
            .iter()
            .map(|entry| KvRow::new(&namespace, entry))
            .collect();
        Answer::render(&rows, &head.options)?
    };
    Ok(answer.at(index, &head.options))
}

/// The historic misspelling is still sent by some.
pub(super) fn separator<'a>(query: &'a Query<'_>) -> &'a str {
    let spelled = query.get("separator");
    spelled
        .or_else(|| query.get("seperator"))
        .unwrap_or_default()
}

/// Names only.
async fn names(
    server: &Server,
    head: &Head,
    namespace: Name,
    prefix: &str,
) -> Result<Answer, ApiError> {
    let query = head.query();
    let separator = separator(&query);
    let key = WatchKey::KeyPrefix(Name::clone(&namespace), prefix.to_owned());
    let reader = news(server, head, key).await?;
    let index = kv::prefix_index(&reader, &namespace, prefix).map_err(fault)?;
    let names = kv::folders(&reader, &namespace, prefix, separator).map_err(fault)?;
    let answer = if names.is_empty() && !prefix.is_empty() {
        Answer::done().with_status(StatusCode::NOT_FOUND)
    } else {
        Answer::render(&names, &head.options)?
    };
    Ok(answer.at(index, &head.options))
}

pub(super) async fn write(server: &Server, call: Call, key: &str) -> Result<Answer, ApiError> {
    let (head, caller, body) = call.into_parts();
    let namespace = head.namespace();
    caller.require(Right::Write, &namespace)?;
    if let Some(mount) = server.mount(&namespace, key) {
        return Err(mounted::not_here(mount, &head.method, key));
    }
    if head.method == Method::DELETE {
        let removal = Removal::parse(&head.query(), key)?;
        return remove(server, namespace, key.to_owned(), removal).await;
    }
    check_key(key)?;
    let flags = number(&head.query(), "flags")?.unwrap_or(0);
    let how = How::parse(&head.query())?;
    let value = read_body(body, LONGEST_VALUE).await?;
    put(server, namespace, key.to_owned(), value, flags, how).await
}

/// Keys are paths in URLs: what a client or proxy would rewrite on the way cannot be one.
fn check_key(key: &str) -> Result<(), ApiError> {
    if key.is_empty() {
        return Err(ApiError::bad_request("Missing key name"));
    }
    let reason = if key.starts_with('/') {
        "must not begin with a '/'"
    } else if key.split('/').any(|part| part == "..") {
        "must not contain a \"..\" part"
    } else if key.trim() != key {
        "must not begin or end with a space"
    } else {
        return Ok(());
    };
    Err(ApiError::bad_request(format!(
        "Invalid key: {key:?} {reason}"
    )))
}

fn number(query: &Query<'_>, name: &str) -> Result<Option<u64>, ApiError> {
    query
        .get(name)
        .map(str::parse)
        .transpose()
        .map_err(|_error| {
            ApiError::bad_request(format!("Invalid value for {name:?}: not a number"))
        })
}

/// On which condition a value is written.
enum How {
    Always,
    If(Condition),
    Acquire(String),
    Release(String),
}

impl How {
    fn parse(query: &Query<'_>) -> Result<Self, ApiError> {
        let given = ["cas", "acquire", "release"].map(|name| query.has(name));
        if given.iter().filter(|is_given| **is_given).count() > 1 {
            return Err(ApiError::bad_request(
                "Conflicting flags: only one of cas, acquire and release can be given",
            ));
        }
        let session = |name| query.get(name).unwrap_or_default().to_owned();
        Ok(match given {
            [true, ..] => Self::If(Condition::from_cas(number(query, "cas")?.unwrap_or(0))),
            [_, true, _] => Self::Acquire(session("acquire")),
            [.., true] => Self::Release(session("release")),
            _ => Self::Always,
        })
    }
}

async fn put(
    server: &Server,
    namespace: Name,
    key: String,
    value: Bytes,
    flags: u64,
    how: How,
) -> Result<Answer, ApiError> {
    let written = server
        .registry()
        .store()
        .write_large(value.len(), move |tx| match &how {
            How::Always => kv::put(tx, &namespace, &key, &value, flags).map(|()| true),
            How::If(condition) => kv::put_if(tx, &namespace, &key, &value, flags, *condition),
            How::Acquire(session) => kv::acquire(tx, &namespace, &key, &value, flags, session),
            How::Release(session) => kv::release(tx, &namespace, &key, &value, flags, session),
        });
    Ok(truth(written.await.map_err(refused)?.value))
}

/// What a DELETE takes away.
enum Removal {
    Key,
    KeyAt(Revision),
    Prefix,
}

impl Removal {
    fn parse(query: &Query<'_>, key: &str) -> Result<Self, ApiError> {
        match (query.has("recurse"), query.has("cas")) {
            (true, true) => Err(ApiError::bad_request(
                "Conflicting flags: only one of cas and recurse can be given",
            )),
            (true, false) => Ok(Self::Prefix),
            _ if key.is_empty() => Err(ApiError::bad_request("Missing key name")),
            (_, true) => Ok(Self::KeyAt(Revision(number(query, "cas")?.unwrap_or(0)))),
            (_, false) => Ok(Self::Key),
        }
    }
}

async fn remove(
    server: &Server,
    namespace: Name,
    key: String,
    removal: Removal,
) -> Result<Answer, ApiError> {
    let removed = server.registry().store().write(move |tx| match removal {
        Removal::Key => kv::delete(tx, &namespace, &key).map(|_was_there| true),
        Removal::KeyAt(index) => kv::delete_if(tx, &namespace, &key, index),
        Removal::Prefix => kv::delete_prefix(tx, &namespace, &key).map(|_count| true),
    });
    Ok(truth(removed.await.map_err(refused)?.value))
}

fn truth(value: bool) -> Answer {
    Answer::json(if value { "true" } else { "false" })
}

fn refused(error: KvError) -> ApiError {
    match error {
        KvError::State(error) => ApiError::internal(chain(&error)),
        KvError::NoSession(session) => ApiError::internal(format!("invalid session {session:?}")),
        error => ApiError::bad_request(chain(&error)),
    }
}

pub(super) fn fault(error: state::EngineError) -> ApiError {
    ApiError::internal(chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_people_use_are_taken_and_those_that_move_are_not() {
        for key in [
            "a b/c+d",
            "app/config.json",
            "100%",
            "ünï",
            "a/./b",
            "a//b",
            "folder/",
        ] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in ["", "/a", "a/../b", "..", " a", "a "] {
            assert!(check_key(key).is_err(), "{key}");
        }
    }
}
