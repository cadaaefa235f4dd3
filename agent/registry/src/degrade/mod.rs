//! What is known of the back end, and how old that makes the view of other nodes.
//!
//! Readers are never kept waiting by the back end: they read what was last known, and this says how far it
//! is to be trusted. A view that the back end confirmed within 30 s is fresh; up to 5 min it is stale; after
//! that it has expired, and is still served, for a wrong address is found out and no address helps nobody.

mod breaker;
mod protection;
mod status;

pub use breaker::{BreakerSettings, BreakerState};
pub use protection::ProtectionSettings;
pub use status::{ClusterStatus, Freshness, FreshnessSettings, Trust};

pub(crate) use breaker::{Breaker, Outcome};
pub(crate) use protection::{Protection, Removal};
pub(crate) use status::Shared;
