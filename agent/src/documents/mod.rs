//! Documents that programs of this node read from golens.
//!
//! ```text
//! definition  a document of the settings -> what is watched
//! sources     settings -> where a document's layers come from
//! guard       settings -> keys, masks and roles
//! serving     documents -> watched, and served until golens ends
//! listener    one address: bound, served, tried again
//! status      how documents are doing, for the API
//! ```

mod definition;
mod guard;
mod listener;
mod serving;
mod sources;
mod status;

pub(crate) use guard::{Guard, provider};
pub(crate) use listener::{Listeners, endpoints};
pub use serving::KEYS;
pub(crate) use serving::{Serving, Shelf};
pub(crate) use sources::{environment, source};
pub(crate) use status::report;
pub use status::{DocumentReport, LostReport, Report};
