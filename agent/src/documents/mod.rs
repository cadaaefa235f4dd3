//! Documents that programs of this node read from golens.
//!
//! ```text
//! sources     settings -> where a document's layers come from
//! status      how documents are doing, for the API
//! ```

mod sources;
mod status;

pub(crate) use sources::{environment, source};
pub(crate) use status::report;
pub use status::{DocumentReport, LostReport, Report};
