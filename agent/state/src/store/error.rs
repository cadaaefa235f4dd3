//! What can go wrong, with place and reason.

use std::{io, path::PathBuf, sync::Arc};

use thiserror::Error;

use crate::{EngineError, snapshot::SnapshotError};

/// Why a store could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder of the file cannot be used.
    #[error("cannot use the folder {folder}", folder = folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file cannot be opened, and is not merely corrupt: that is no error, see [`Recovery`].
    #[error("cannot open the state file")]
    Engine(#[from] EngineError),
    /// A damaged file could not be moved aside.
    #[error("cannot move the damaged file {file} aside", file = file.display())]
    Aside {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// The file was damaged or gone, and what was done about it. The store works, but what it holds is older
/// than what was acknowledged: to be logged as an error and shown as a metric.
#[derive(Debug)]
pub struct Recovery {
    /// What was wrong with the file; `None` when it was gone while there were snapshots of it.
    pub reason: Option<EngineError>,
    /// Where the damaged file is now, untouched.
    pub moved_to: Option<PathBuf>,
    /// The snapshot that was restored; `None` means that the store began empty.
    pub restored: Option<PathBuf>,
    /// Newer snapshots that were damaged themselves.
    pub unusable: Vec<(PathBuf, SnapshotError)>,
}

/// Why a change was not committed. Nothing of it remains.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The engine failed; changes of one commit share the error.
    #[error("the state could not be written")]
    Engine(#[source] Arc<EngineError>),
    /// The store is being closed.
    #[error("the state is closed")]
    Closed,
}

impl WriteError {
    /// One word from a fixed set, for metrics and logs.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Engine(error) => error.error_type(),
            Self::Closed => "closed",
        }
    }
}

impl From<EngineError> for WriteError {
    fn from(error: EngineError) -> Self {
        Self::Engine(Arc::new(error))
    }
}
