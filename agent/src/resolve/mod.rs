//! A target's binary becomes a [`BinaryInfo`]: what can be attached where, and what cannot and why.

mod binary;
mod cache;
mod offsets;
mod sites;
mod writers;

pub use binary::{BinaryInfo, ResolveError, Site, resolve};
pub use cache::{Cache, Resolved};
pub use offsets::wanted_fields;
pub use sites::{WANTED, Wanted};
pub use writers::Writers;
