//! Documents that programs of this node read from golens.
//!
//! ```text
//! sources     settings -> where a document's layers come from
//! ```

mod sources;

pub(crate) use sources::{environment, source};
