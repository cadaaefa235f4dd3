//! Resolved binaries, kept while they are likely to be met again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::BinaryInfo;
use crate::discovery::BinaryKey;

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
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
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
