//! Reading keys.

use std::ops::ControlFlow;

use super::{Entry, row::row_key};
use crate::{EngineError, Revision, Rows, Table, Topic};

/// Takes key, modify index and row; breaks when it has seen enough.
type EachKey<'a> = dyn FnMut(&str, Revision, &[u8]) -> ControlFlow<()> + 'a;

/// One key.
///
/// # Errors
/// When the state cannot be read.
pub fn get(
    rows: &(impl Rows + ?Sized),
    namespace: &str,
    key: &str,
) -> Result<Option<Entry>, EngineError> {
    let record = rows.get(Table::KV, &row_key(namespace, key))?;
    record
        .map(|record| Entry::decode(key.to_owned(), record.revision, &record.payload))
        .transpose()
}

/// All keys that begin with `prefix`, in order.
///
/// # Errors
/// When the state cannot be read.
pub fn list(
    rows: &(impl Rows + ?Sized),
    namespace: &str,
    prefix: &str,
) -> Result<Vec<Entry>, EngineError> {
    let mut entries = Vec::new();
    let mut failed = None;
    visit(rows, namespace, prefix, &mut |key, revision, row| {
        match Entry::decode(key.to_owned(), revision, row) {
            Ok(entry) => entries.push(entry),
            Err(error) => failed = Some(error),
        }
        match failed {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(()),
        }
    })?;
    failed.map_or(Ok(entries), Err)
}

/// Names of the keys that begin with `prefix`, in order. With a `separator`, each name ends with the first
/// one behind the prefix, and equal ones are given once: the folders and files of one folder.
///
/// # Errors
/// When the state cannot be read.
pub fn folders(
    rows: &(impl Rows + ?Sized),
    namespace: &str,
    prefix: &str,
    separator: &str,
) -> Result<Vec<String>, EngineError> {
    let mut names: Vec<String> = Vec::new();
    visit(rows, namespace, prefix, &mut |key, _, _| {
        let name = folder(key, prefix, separator);
        if names.last().is_none_or(|last| last != name) {
            names.push(name.to_owned());
        }
        ControlFlow::Continue(())
    })?;
    Ok(names)
}

/// A key that begins with `prefix` as [`folders`] names it.
pub fn folder<'a>(key: &'a str, prefix: &str, separator: &str) -> &'a str {
    let rest = key.get(prefix.len()..).unwrap_or_default();
    let end = match rest.find(separator) {
        Some(at) if !separator.is_empty() => prefix.len() + at + separator.len(),
        _ => key.len(),
    };
    key.get(..end).unwrap_or(key)
}

fn visit(
    rows: &(impl Rows + ?Sized),
    namespace: &str,
    prefix: &str,
    visitor: &mut EachKey<'_>,
) -> Result<(), EngineError> {
    let mut failed = None;
    let begin = namespace.len() + 1;
    rows.scan(
        Table::KV,
        &row_key(namespace, prefix),
        &mut |key, revision, row| {
            let key = key.get(begin..).unwrap_or_default();
            match std::str::from_utf8(key) {
                Ok(key) => visitor(key, revision, row),
                Err(_) => {
                    failed = Some(EngineError::Corrupt {
                        reason: format!("a key that is not UTF-8: {}", key.escape_ascii()),
                    });
                    ControlFlow::Break(())
                }
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}

/// Index of one key, there or not.
///
/// # Errors
/// When the state cannot be read.
pub fn index(
    rows: &(impl Rows + ?Sized),
    namespace: &str,
    key: &str,
) -> Result<Revision, EngineError> {
    rows.index(Table::KV, &row_key(namespace, key))
}

/// Index of all keys that begin with `prefix`, deleted ones included.
///
/// # Errors
/// When the state cannot be read.
pub fn prefix_index(
    rows: &(impl Rows + ?Sized),
    namespace: &str,
    prefix: &str,
) -> Result<Revision, EngineError> {
    rows.prefix_index(Table::KV, &row_key(namespace, prefix))
}

/// What to wait for to see changes of one key.
pub fn topic(namespace: &str, key: &str) -> Topic {
    Topic::row(Table::KV, &row_key(namespace, key))
}

/// What to wait for to see changes of all keys that begin with `prefix`.
pub fn topic_of_prefix(namespace: &str, prefix: &str) -> Topic {
    Topic::prefix(Table::KV, &row_key(namespace, prefix))
}
