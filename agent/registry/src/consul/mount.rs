//! Keys that somebody else keeps, shown in the key-value API: told from memory, and read only.

use std::{fmt, pin::Pin, time::Instant};

use state::kv::Entry;

use crate::{Caller, Revision};

/// What is asked of a [`KeyMount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys<'a> {
    /// This key.
    One(&'a str),
    /// All keys that begin so.
    Below(&'a str),
}

/// Keys that somebody else keeps, in the default namespace. A request for keys above their folder is told of
/// none of them: who asks for everything does not mean other people's secrets.
pub trait KeyMount: Send + Sync + fmt::Debug {
    /// What all its keys begin with; ends with a slash.
    fn folder(&self) -> &str;

    /// Index of the keys, there or not; it never goes back. What it was raised for can be read.
    fn index(&self, keys: Keys<'_>) -> Revision;

    /// Waits until the index exceeds `seen`, or until `deadline`.
    fn wait<'a>(
        &'a self,
        keys: Keys<'a>,
        seen: Revision,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    /// The keys that are there and that the caller may see, in order.
    ///
    /// # Errors
    /// Why the caller may not see the one key that was asked for.
    fn entries(&self, caller: &Caller, keys: Keys<'_>) -> Result<Vec<Entry>, String>;
}
