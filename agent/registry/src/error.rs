//! What can go wrong, with place and reason.

use thiserror::Error;

use crate::model::{CheckKey, InstanceKey, InvalidName, Name};

/// Why a registry could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The durable state could not be opened.
    #[error("cannot open the state")]
    State(#[from] state::OpenError),
    /// The node that this process runs on could not be registered.
    #[error("cannot register the own node")]
    Node(#[source] Box<RegistryError>),
    /// A row of the state is not what this version writes.
    #[error("cannot read the row of {what} {key:?}")]
    Row {
        /// Kind of row.
        what: &'static str,
        /// Its key, readable as far as it is text.
        key: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Why a call was not carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The caller's token does not reach that far.
    #[error("{caller} has no right to {right} in namespace {namespace}")]
    Denied {
        /// Who asked.
        caller: Name,
        /// What they lack.
        right: state::tokens::Right,
        /// Where they lack it.
        namespace: String,
    },
    /// Something has a name that cannot be one.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// There is no such instance.
    #[error("unknown instance {:?} on node {} in namespace {}", .0.id, .0.node, .0.namespace)]
    UnknownInstance(InstanceKey),
    /// There is no such check.
    #[error("unknown check {:?} on node {} in namespace {}", .0.id, .0.node, .0.namespace)]
    UnknownCheck(CheckKey),
    /// There is no such node.
    #[error("unknown node {0:?}")]
    UnknownNode(Name),
    /// What another registry of the cluster keeps is changed there.
    #[error("node {0:?} is kept by another registry of the cluster; ask there")]
    OtherNode(Name),
    /// Only a TTL check is told its status by the instance.
    #[error("check {:?} is not a TTL check", .0.id)]
    NotTtl(CheckKey),
    /// Two checks of one registration have the same id.
    #[error("check id {0:?} is given twice")]
    DuplicateCheck(Name),
    /// A token was not issued or revoked.
    #[error(transparent)]
    Token(#[from] state::tokens::TokenError),
    /// The state did not take the change; nothing was changed.
    #[error("the state did not take the change")]
    State(#[from] state::WriteError),
    /// A snapshot was not restored; nothing was changed.
    #[error("the snapshot was not restored")]
    Snapshot(#[from] state::snapshot::SnapshotError),
}

impl From<state::EngineError> for RegistryError {
    fn from(error: state::EngineError) -> Self {
        Self::State(error.into())
    }
}

impl RegistryError {
    /// One word from a fixed set, for metrics and logs.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "denied",
            Self::Name(_) | Self::DuplicateCheck(_) | Self::NotTtl(_) => "invalid",
            Self::OtherNode(_) => "other_node",
            Self::UnknownInstance(_) | Self::UnknownCheck(_) | Self::UnknownNode(_) => "unknown",
            Self::Snapshot(_) => "snapshot",
            Self::Token(state::tokens::TokenError::Unknown(_)) => "unknown",
            Self::State(_) | Self::Token(_) => "state",
        }
    }
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
