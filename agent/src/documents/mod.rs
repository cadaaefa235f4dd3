//! Documents that programs of this node read from golens.
//!
//! ```text
//! guard       settings -> keys and masks
//! sources     settings -> where a document's layers come from
//! status      how documents are doing, for the API
//! ```

mod guard;
mod sources;
mod status;

pub(crate) use guard::{Guard, provider};
pub(crate) use sources::{environment, source};
pub(crate) use status::report;
pub use status::{DocumentReport, LostReport, Report};
