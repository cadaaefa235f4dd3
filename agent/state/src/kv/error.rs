//! What can go wrong with a key.

use thiserror::Error;

use crate::{EngineError, WriteError};

/// Why a key was not read or written.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum KvError {
    /// A key cannot be like this.
    #[error("the key {reason}")]
    Key {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The value is too long.
    #[error("the value has {bytes} bytes, more than {most}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The longest that is taken.
        most: usize,
    },
    /// A lock needs a session that exists.
    #[error("there is no session {0:?}")]
    NoSession(String),
    /// The state could not be read or written.
    #[error(transparent)]
    State(#[from] WriteError),
}

impl From<EngineError> for KvError {
    fn from(error: EngineError) -> Self {
        Self::State(error.into())
    }
}
