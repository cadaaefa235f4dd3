//! The node's config watcher: documents from several sources become one validated generation.
#![forbid(unsafe_code)]

pub use state;
