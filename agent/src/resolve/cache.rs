//! Resolved binaries, kept while they are likely to be met again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::BinaryInfo;

/// A file's identity: a changed file is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BinaryKey {
    /// Device.
    pub device: u64,
    /// Inode on it.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Last change, nanoseconds since 1970.
    pub modified_ns: i128,
}

/// What resolving a binary gave: the same answer for every process of it.
pub type Resolved = Result<Arc<BinaryInfo>, Arc<str>>;

/// Binaries kept at most.
const LIMIT: usize = 512;

/// Answers by file.
#[derive(Debug, Default)]
pub struct Cache {
    answers: Mutex<HashMap<BinaryKey, Resolved>>,
}

impl Cache {
    /// A known answer.
    #[must_use]
    pub fn get(&self, key: &BinaryKey) -> Option<Resolved> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Remembers an answer. A full cache is emptied: rebuilding it costs milliseconds per binary.
    pub fn put(&self, key: BinaryKey, answer: Resolved) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= LIMIT {
            answers.clear();
        }
        answers.insert(key, answer);
    }
}
