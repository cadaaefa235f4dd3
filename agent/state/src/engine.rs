//! What the store needs of a storage engine, so that another one can be put in.

use std::{io, ops::ControlFlow};

use thiserror::Error;

/// Key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Why a storage engine failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The file is not what the engine wrote.
    #[error("the file is corrupt: {reason}")]
    Corrupt {
        /// What is wrong, in the engine's words.
        reason: String,
    },
    /// The file was written by another version.
    #[error("the file has format {found}, this version reads {expected}")]
    Format {
        /// Format of the file.
        found: String,
        /// Format that can be read.
        expected: String,
    },
    /// Another process has the file open.
    #[error("the file is in use by another process")]
    InUse,
    /// The disk did not do what it should.
    #[error("input or output failed")]
    Io(#[from] io::Error),
    /// Anything else that the engine complained about.
    #[error("the engine failed: {reason}")]
    Other {
        /// What went wrong, in the engine's words.
        reason: String,
    },
}

impl EngineError {
    /// One word from a fixed set, for metrics and logs.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => "corrupt",
            Self::Format { .. } => "format",
            Self::InUse => "in_use",
            Self::Io(_) => "io",
            Self::Other { .. } => "engine",
        }
    }
}

/// An ordered map of byte strings with atomic, durable commits and consistent views.
pub trait Engine: Send + Sync + 'static {
    /// The state of the last commit, whatever is committed later.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn view(&self) -> Result<Box<dyn View>, EngineError>;

    /// Puts each key with its value, deletes each key with `None`: all or nothing, and on disk on return.
    ///
    /// # Errors
    /// When nothing of it was committed. Later commits may succeed again.
    fn commit(
        &self,
        rows: &mut dyn Iterator<Item = (&[u8], Option<&[u8]>)>,
    ) -> Result<(), EngineError>;

    /// Replaces everything by `rows`: all or nothing, and on disk on return. The first error of `rows`
    /// ends it with nothing changed.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), and the errors of `rows`.
    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, EngineError>>,
    ) -> Result<(), EngineError>;
}

/// Takes key and value; breaks when it has seen enough.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A consistent view of an engine.
pub trait View: Send {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Visits rows from `from` on, in the order of their keys, until the visitor breaks.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn scan(&self, from: &[u8], visit: &mut Visitor<'_>) -> Result<(), EngineError>;
}
