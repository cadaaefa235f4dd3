//! A target's binary becomes a [`BinaryInfo`]: what can be attached where, and what cannot and why.

mod binary;
mod buffering;
mod cache;
mod offsets;
mod sites;

pub use binary::{BinaryInfo, ResolveError, Site, resolve};
pub use buffering::AddressRanges;
pub use cache::{BinaryKey, Cache};
