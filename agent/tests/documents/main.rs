//! The config watcher and the registry of one node together: documents are keys there, and keys are documents.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up must stop"
)]

mod keys;
mod node;
mod source;
