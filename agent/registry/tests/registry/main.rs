//! The registry as its front ends see it, on real files.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on must stop where it is"
)]

mod active;
mod checks;
mod folder;
mod merging;
mod model;
mod services;
mod transactions;
